package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"heptap/capture"
	"heptap/capture/ring"
	"heptap/firmware/internal/config"
	"heptap/firmware/internal/probe"
)

const (
	hiddenStep  = 10 * time.Second
	hiddenSteps = 6         // that a rate is over
	hiddenAgain = time.Hour // a warning is repeated after
)

// hidden says what the ports' filters hide, as far as samples show it. Any
// goroutine may call it.
type hidden struct {
	mu    sync.Mutex
	ports []hiddenPort
}

type hiddenPort struct {
	name, filter string
	rings        int
	marks        []hiddenMark // the newest last, hiddenSteps and one at most
	now          hiddenMark
	warned       time.Time
	warnedSIP    uint64
}

// hiddenMark is what was counted at a moment.
type hiddenMark struct {
	at    time.Time
	count probe.Hidden
}

func newHidden(ports []config.Port) *hidden {
	h := &hidden{}
	for _, p := range ports {
		h.ports = append(h.ports, hiddenPort{name: p.Name, filter: p.Filter, rings: p.Rings})
	}
	return h
}

// note takes in what inputs have counted: those of the first port, of the second,
// and so on. It calls warn for a port whose filter hides SIP, now and then.
func (h *hidden) note(inputs []probe.InputStats, now time.Time, warn func(port, filter string, about uint64)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range h.ports {
		p := &h.ports[i]
		n := min(p.rings, len(inputs))
		p.note(inputs[:n], now)
		inputs = inputs[n:]
		sip := p.now.count[capture.SIP]
		if sip > p.warnedSIP && (p.warned.IsZero() || now.Sub(p.warned) >= hiddenAgain) {
			p.warned, p.warnedSIP = now, sip
			warn(p.name, p.filter, sip*ring.SampleEvery)
		}
	}
}

func (p *hiddenPort) note(inputs []probe.InputStats, now time.Time) {
	p.now = hiddenMark{at: now}
	for i := range inputs {
		for k, n := range inputs[i].Hidden {
			p.now.count[k] += n
		}
	}
	if n := len(p.marks); n == 0 || now.Sub(p.marks[n-1].at) >= hiddenStep {
		if p.marks = append(p.marks, p.now); len(p.marks) > hiddenSteps+1 {
			p.marks = slices.Delete(p.marks, 0, 1)
		}
	}
}

// text is a line for each port that has a filter.
func (h *hidden) text() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var b strings.Builder
	for i := range h.ports {
		if p := &h.ports[i]; p.filter != "" && len(p.marks) > 0 {
			fmt.Fprintf(&b, "port %s: %s\n", p.name, p.text())
		}
	}
	return b.String()
}

func (p *hiddenPort) text() string {
	first := p.marks[0]
	seconds := p.now.at.Sub(first.at).Seconds()
	type kind struct {
		name string
		n    uint64
	}
	var kinds []kind
	var lately, ever uint64
	for i, n := range p.now.count {
		ever += n
		if n -= first.count[i]; n > 0 {
			lately += n
			kinds = append(kinds, kind{probe.HiddenName(i), n})
		}
	}
	if lately == 0 || seconds < 1 {
		return fmt.Sprintf("what the filter hides gave no sample (one packet in %d) in the last %.0f s, and %d before", ring.SampleEvery, seconds, ever)
	}
	perSecond := func(n uint64) float64 { return float64(n*ring.SampleEvery) / seconds }
	slices.SortStableFunc(kinds, func(a, b kind) int { return cmp.Compare(b.n, a.n) })
	var parts []string
	for _, k := range kinds {
		parts = append(parts, fmt.Sprintf("%s %.0f", k.name, perSecond(k.n)))
	}
	return fmt.Sprintf("the filter hides about %.0f packets/s: %s (from %d samples in %.0f s)", perSecond(lately), strings.Join(parts, ", "), lately, seconds)
}
