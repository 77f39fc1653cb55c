package main

import (
	"context"
	"io"
	"sync"
	"time"

	"heptap/capture/neighbour"
	"heptap/firmware/internal/config"
	"heptap/firmware/internal/console"
	"heptap/hal/links"
)

// listenAgain is how long a device is left alone that cannot be listened on.
const listenAgain = 10 * time.Second

// uplinkPort hears who presents himself on a device of the uplink, which is not
// captured on.
type uplinkPort struct {
	device string
	open   func(device string) ([]io.ReadCloser, error)
	table  neighbour.Table

	mu      sync.Mutex
	trouble string // why nothing is heard
}

// uplinkPorts are the devices that the uplink is made of, as far as that is configured.
func uplinkPorts(u config.Uplink) (all []*uplinkPort) {
	for _, device := range []string{u.Interface, u.Backup} {
		if device != "" {
			all = append(all, &uplinkPort{device: device, open: listenForNeighbours})
		}
	}
	return all
}

// listenForNeighbours listens for LLDP (802.1AB-2016 table 7-1) and CDP.
func listenForNeighbours(device string) ([]io.ReadCloser, error) {
	lldp, err := links.Listen(device, neighbour.EtherType, [6]byte{0x01, 0x80, 0xc2, 0, 0, 0x0e}, [6]byte{0x01, 0x80, 0xc2, 0, 0, 0x03}, [6]byte{0x01, 0x80, 0xc2, 0, 0, 0})
	if err != nil {
		return nil, err
	}
	cdp, err := links.Listen(device, links.LLC, [6]byte{0x01, 0x00, 0x0c, 0xcc, 0xcc, 0xcc})
	if err != nil {
		lldp.Close()
		return nil, err
	}
	return []io.ReadCloser{lldp, cdp}, nil
}

// run listens until ctx is done, again and again where the device comes and goes.
func (p *uplinkPort) run(ctx context.Context) {
	for {
		err := p.listen(ctx)
		if ctx.Err() != nil {
			return
		}
		p.tell(err.Error())
		if !pauseFor(ctx, listenAgain) {
			return
		}
	}
}

// listen returns when ctx is done, or with an error when one of the sources ends.
func (p *uplinkPort) listen(ctx context.Context) error {
	from, err := p.open(p.device)
	if err != nil {
		return err
	}
	p.tell("")
	var stop sync.Once
	closeAll := func() {
		stop.Do(func() {
			for _, f := range from {
				f.Close()
			}
		})
	}
	defer closeAll()
	defer context.AfterFunc(ctx, closeAll)()
	errs := make(chan error, len(from))
	for _, f := range from {
		go func() { errs <- p.read(f) }()
	}
	for range from {
		e := <-errs
		closeAll()
		if err == nil {
			err = e
		}
	}
	return err
}

func (p *uplinkPort) read(f io.Reader) error {
	b := make([]byte, 2048)
	for {
		n, err := f.Read(b)
		if err != nil {
			return err
		}
		p.table.Add(b[:n], ringNow())
	}
}

func (p *uplinkPort) tell(trouble string) {
	p.mu.Lock()
	p.trouble = trouble
	p.mu.Unlock()
}

// neighbours are the devices at the other ends of the cables, as they present
// themselves.
func (r *runner) neighbours() (all []console.Neighbours) {
	now := ringNow()
	for _, n := range r.probe.Neighbours(now) {
		for _, c := range r.cfg.Ports {
			if c.Name == n.Port {
				all = append(all, console.Neighbours{Port: n.Port, Device: c.Interface, Filter: c.Filter, Found: n.Found, Counters: n.Counters})
			}
		}
	}
	for _, p := range r.uplinkPorts {
		u := console.Neighbours{Device: p.device}
		u.Found, u.Counters = p.table.Snapshot(now)
		p.mu.Lock()
		u.Trouble = p.trouble
		p.mu.Unlock()
		all = append(all, u)
	}
	return all
}
