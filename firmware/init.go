package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"heptap/board"
	"heptap/firmware/internal/appliance"
	"heptap/hal"
	"heptap/hal/links"
	"heptap/hal/tty"
	"heptap/hal/watchdog"
)

// isInit says whether this is the first process of a box that runs nothing but
// heptap: the image has it as /init. In a container, heptap may be the
// first process under its own name.
func isInit(args []string) bool { return os.Getpid() == 1 && len(args) > 0 && args[0] == "/init" }

// runInit is the life of PID 1. It does not return: when the box cannot be
// ended, the kernel shall notice.
func runInit(ctx context.Context) {
	requests := make(chan appliance.Power, 1)
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if err := (appliance.Linux{}).TakeCtrlAltDel(); err != nil {
		fmt.Fprintf(os.Stderr, "heptap: Ctrl-Alt-Del: %v\n", err)
	}
	go func() {
		for s := range signals {
			how := appliance.Off
			if s == os.Interrupt { // Ctrl-Alt-Del
				how = appliance.Restart
			}
			select {
			case requests <- how:
			default:
			}
		}
	}()
	name := bootBoard()
	b := &appliance.Box{
		Kernel: appliance.Linux{}, OpenNet: func() (appliance.Links, error) { return links.Open() },
		DHCP: &appliance.Client{Hostname: hostname}, DHCP6: appliance.Client6{}, Routers: appliance.ICMPv6{}, Watchdog: func() (hal.Watchdog, error) { return openWatchdog(name) },
		Start: appliance.Start, Console: os.Stderr, Title: appliance.Title(version, name), Board: name, Boot: bootLoader(name), Built: buildTime(), Requests: requests,
		Release: thisRelease(),
		Serial:  serialPorts{}, Terminals: terminals(name),
	}
	how := b.Run(ctx)
	fmt.Fprintf(os.Stderr, "heptap: %v: %v\n", how, b.Kernel.End(how))
	os.Exit(1)
}

// bootBoard is the board that the kernel's command line names. /proc is not
// there yet.
func bootBoard() string {
	k := appliance.Linux{}
	if err := k.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		fmt.Fprintf(os.Stderr, "heptap: %v\n", err)
	}
	text, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		fmt.Fprintf(os.Stderr, "heptap: %v\n", err)
	}
	return appliance.BoardOf(string(text))
}

// bootLoader is the one that starts the systems of a board.
func bootLoader(name string) board.Boot {
	d, err := board.Lookup(name)
	if err != nil {
		return board.BootNone
	}
	return d.Boot
}

func hostname() string {
	name, err := os.Hostname()
	if err != nil || strings.TrimSpace(name) == "" {
		return "heptap"
	}
	return name
}

// openWatchdog opens the one that the board's description names, or whichever
// there is.
func openWatchdog(name string) (hal.Watchdog, error) {
	var wanted watchdog.Wanted
	if box, err := board.Lookup(name); err == nil {
		wanted = watchdog.Wanted{Identity: box.Watchdog.Identity, Device: box.Watchdog.Device}
	}
	return watchdog.Open(wanted)
}

// serialPorts are the kernel's.
type serialPorts struct{}

func (serialPorts) List() ([]hal.SerialPort, error) { return tty.List() }

func (serialPorts) Open(path string, baud int) (hal.Serial, error) {
	return tty.New(path, tty.Config{Wanted: tty.Wanted{Path: path}, Baud: baud})
}

// terminals are the board's own ports for a console.
func terminals(name string) (out []appliance.Terminal) {
	box, err := board.Lookup(name)
	if err != nil {
		return nil
	}
	for _, c := range box.Consoles {
		out = append(out, appliance.Terminal{Path: c.Path, Baud: c.Baud})
	}
	return out
}
