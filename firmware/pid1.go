package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"heptap/firmware/internal/appliance"
	"heptap/firmware/internal/config"
	"heptap/firmware/internal/console"
)

// pid1 is PID 1 of the box, and what it has told. Elsewhere there is none.
type pid1 struct {
	parent *appliance.Parent // nil: none

	mu    sync.Mutex
	heard map[string]string // news by kind
}

// openPID1 returns PID 1 at the other end of the open file of that number.
func openPID1(fd int) *pid1 {
	h := &pid1{heard: map[string]string{}}
	if fd > 2 {
		h.parent = appliance.NewParent(os.NewFile(uintptr(fd), "init"), h.hear)
		go h.parent.Run()
	}
	return h
}

func (h *pid1) hear(kind, text string) {
	h.mu.Lock()
	h.heard[kind] = text
	h.mu.Unlock()
}

func (h *pid1) news(kind string) (text string, known bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	text, known = h.heard[kind]
	return text, known
}

// timeServers are those that DHCP has told of. Before it is known whether there
// are any, known is false.
func (h *pid1) timeServers() (servers []string, known bool) {
	text, known := h.news(appliance.NewsTimeServers)
	return strings.Fields(text), known || h.parent == nil
}

// lastReset is why the box was started, empty where nobody says.
func (h *pid1) lastReset() string {
	text, _ := h.news(appliance.NewsLastReset)
	return text
}

// settingsAtMost is how long PID 1 may take to carry out other settings.
const settingsAtMost = 20 * time.Second

// settle has PID 1 carry out what is its part of a configuration.
func (h *pid1) settle(ctx context.Context, cfg config.Config) error {
	if h.parent == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, settingsAtMost)
	defer cancel()
	if err := h.parent.Ask(ctx, appliance.VerbSettings, appliance.Settings(cfg)); err != nil {
		return fmt.Errorf("host name and uplink: %w", err)
	}
	return nil
}

// end has the box end, by a verb.
func (h *pid1) end(ctx context.Context, verb string) error {
	ctx, cancel := context.WithTimeout(ctx, settingsAtMost)
	defer cancel()
	return h.parent.Ask(ctx, verb, "")
}

// ender is what the console ends the box with, nil where there is none.
func (h *pid1) ender() func(what string) error {
	if h.parent == nil {
		return nil
	}
	verbs := map[string]string{console.Restart: appliance.VerbRestart, console.PowerOff: appliance.VerbPowerOff, console.FactoryReset: appliance.VerbFactoryReset}
	return func(what string) error { return h.end(context.Background(), verbs[what]) }
}

// wedged is deliver, until a record comes that contains text, which is where it stays.
func wedged(deliver func([]byte) error, text string) func([]byte) error {
	return func(rec []byte) error {
		if bytes.Contains(rec, []byte(text)) {
			select {}
		}
		return deliver(rec)
	}
}
