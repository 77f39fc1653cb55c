package main

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"heptap/capture"
	"heptap/capture/mirror"
	"heptap/capture/ring"
	"heptap/firmware/internal/config"
	"heptap/firmware/internal/probe"
)

// ringNow is the clock of the rings' Frame.Mono.
func ringNow() int64 { return ring.Now() }

// openRings opens every port's rings, with a kernel filter that leaves out
// the probe's own connections.
func (r *runner) openRings() (inputs []probe.Input, err error) {
	defer func() {
		if err != nil {
			for _, in := range inputs {
				in.Source.Close()
			}
			inputs = nil
		}
	}()
	for _, c := range r.cfg.Collector {
		// A name is resolved when it is dialled, and known from then on.
		if a, err := netip.ParseAddrPort(c.Address); err == nil {
			r.own.far = append(r.own.far, endpoint(a, c.Transport))
		}
	}
	for i, p := range r.cfg.Ports {
		filter, err := ring.CompileSampling(r.own.far, p.Filter)
		if err != nil {
			return inputs, fmt.Errorf("capture %s filter: %w", p.Name, err)
		}
		rc := ring.Config{Interface: p.Interface, RingBytes: int(p.RingSize), BlockBytes: int(p.BlockSize), Retire: p.Retire,
			Port: uint8(i), Snaplen: int(p.SnapLength), Filter: filter, Sampled: p.Filter != "", HardwareTime: p.Timestamps == config.TimestampsHardware,
			Logger: r.log.With("port", p.Name, "iface", p.Interface)}
		if p.Rings > 1 {
			rc.Fanout = &ring.Fanout{Group: uint16(os.Getpid()) + uint16(i), Inner: true}
		}
		for n := range p.Rings {
			opened, err := ring.Open(rc)
			if err != nil {
				return inputs, fmt.Errorf("capture %s: %w", p.Name, err)
			}
			name := p.Name
			if p.Rings > 1 {
				name = fmt.Sprintf("%s/%d", p.Name, n)
			}
			if g := opened.Geometry(); g.Bytes() < int(p.RingSize) {
				r.log.Warn("ring smaller than configured", "port", name, "MiB", g.Bytes()>>20, "block_KiB", g.BlockBytes>>10)
			}
			inputs = append(inputs, probe.Input{Name: name, Source: opened, Lag: 2*p.Retire + 10*time.Millisecond,
				Port: uint8(i), PortName: p.Name, Own: hardwareAddress(p.Interface), Link: func() mirror.Link { return linkOf(opened.State()) },
				Timestamps: opened.Timestamps})
			r.own.rings = append(r.own.rings, ownRing{opened, p.Interface, p.Filter})
		}
	}
	return inputs, nil
}

// hardwareAddress returns the device's, or zero if it has none.
func hardwareAddress(device string) (a [6]byte) {
	if i, err := net.InterfaceByName(device); err == nil {
		copy(a[:], i.HardwareAddr)
	}
	return a
}

func linkOf(s ring.State) mirror.Link {
	if s == ring.StateUp {
		return mirror.LinkUp
	}
	return mirror.LinkDown
}

// ownFlows keeps the probe's own connections out of its rings.
type ownFlows struct {
	log   *slog.Logger
	rings []ownRing

	mu  sync.Mutex
	far []ring.Endpoint
}

type ownRing struct {
	*ring.Ring
	iface      string
	expression string
}

func endpoint(a netip.AddrPort, t config.Transport) ring.Endpoint {
	proto := uint8(capture.ProtoTCP) // of TLS, too
	if t == config.UDP {
		proto = capture.ProtoUDP
	}
	return ring.Endpoint{Addr: a.Addr().Unmap(), Port: a.Port(), Proto: proto}
}

// maxOwn bounds how many addresses of collectors are kept out: a name that
// resolves to another address each time must not fill the filter.
const maxOwn = 16

// add keeps out one more collector address, as it turned out when dialling.
func (o *ownFlows) add(e ring.Endpoint) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, known := range o.far {
		if known == e {
			return
		}
	}
	if len(o.far) == maxOwn {
		o.far = o.far[1:]
	}
	o.far = append(o.far, e)
	for _, r := range o.rings {
		filter, err := ring.CompileSampling(o.far, r.expression)
		if err == nil {
			err = r.SetFilter(filter)
		}
		if err != nil {
			o.log.Warn("own traffic not kept out", "err", err)
		}
	}
}
