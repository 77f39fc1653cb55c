package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"heptap/capture/record"
	"heptap/firmware/internal/config"
	"heptap/firmware/internal/export"
	"heptap/firmware/internal/jetstream"
	"heptap/firmware/internal/probe"
	"heptap/firmware/internal/reach"
	"heptap/firmware/internal/trace"
	"heptap/firmware/internal/uplink"
	"heptap/hep"
)

// way is how one collector is reached.
type way struct {
	config.Collector
	*reach.Dialer
	node string // this probe's name
}

// openWays makes the dialers. It connects to nobody.
func (r *runner) openWays() error {
	for _, c := range r.cfg.Collector {
		d, err := reach.New(r.reachOptions(c))
		if err != nil {
			return fmt.Errorf("collector %s: %w", c.Name, err)
		}
		r.ways = append(r.ways, way{c, d, nodeName(r.cfg)})
	}
	return nil
}

func (r *runner) reachOptions(c config.Collector) reach.Options {
	o := reach.Options{Address: c.Address, Network: "tcp",
		Trying: func(at netip.AddrPort) { r.own.add(endpoint(at, c.Transport)) },
		Dial:   hep.DialOptions{WriteTimeout: c.Stall, Interface: c.Interface, DSCP: c.DSCP}}
	if c.Source.IsValid() {
		o.Dial.LocalAddr = netip.AddrPortFrom(c.Source, 0)
	}
	switch c.Transport {
	case config.UDP:
		o.Network = "udp"
	case config.TLS, config.NATSTLS:
		o.TLS = &reach.TLS{Name: c.TLS.Name, CA: c.TLS.CA, Certificate: c.TLS.Certificate, Key: c.TLS.Key, ClockSet: r.clockSet}
		for _, s := range c.TLS.Pins.Items() {
			if p, err := hep.ParsePin(s); err == nil { // checked when it was read
				o.TLS.Pins = append(o.TLS.Pins, p)
			}
		}
	}
	return o
}

// dialer makes connections to a collector, for the log.
func (w *way) dialer(ctx context.Context) (uplink.Conn, error) {
	if w.Transport.NATS() {
		return w.publisher(ctx)
	}
	conn, err := w.Dial(ctx)
	if err != nil {
		return nil, w.cure(err)
	}
	return conn, nil
}

// cure adds to an error what may have to be configured.
func (w *way) cure(err error) error {
	var t *hep.TLSError
	if !errors.As(err, &t) {
		return err
	}
	switch t.Fault {
	case hep.TLSUnknownAuthority, hep.TLSWrongPin:
		return fmt.Errorf("%w; if this is the right collector: set collector %s tls-pin %s", err, w.Name, t.Offered)
	case hep.TLSWrongName:
		return fmt.Errorf("%w; if this is the right collector: set collector %s tls-name NAME", err, w.Name)
	case hep.TLSNoClientCert:
		return fmt.Errorf("%w; set collector %s tls-certificate FILE and tls-key FILE", err, w.Name)
	}
	return err
}

func (r *runner) uplinkOptions() (uplink.Options, error) {
	o := uplink.Options{Logger: r.log.With("task", "uplink"), Memory: int(r.cfg.Spool.Memory), Shed: shedOrder[record.Class](&r.cfg.Spool)}
	if r.epochs != nil { // not while the budget is made
		o.Boot, o.ClockEpoch = r.epochs.Boot(), r.epochs.Current
	}
	for i := range r.ways {
		u, err := r.collector(&r.ways[i])
		if err != nil {
			return o, err
		}
		o.Collectors = append(o.Collectors, u)
	}
	r.arrange(&o)
	o.Made = r.made
	if r.cfg.Spool.MaxAge > 0 {
		o.Expired = r.expired
	}
	return o, nil
}

// groupName is what the log calls several collectors of which one gets everything. No
// collector of the configuration can have it.
const groupName = "(failover)"

// arrange has collectors take each other's place, where they are to.
func (r *runner) arrange(o *uplink.Options) {
	d, n := &r.cfg.Delivery, len(o.Collectors)
	if n < 2 || !d.TakesOver() {
		return
	}
	var members []uplink.Member
	for _, c := range o.Collectors {
		members = append(members, uplink.Member{Name: c.Name, Dial: c.Dial, NewEncoder: c.NewEncoder})
	}
	if d.Arrangement == config.Failover {
		first := o.Collectors[0]
		for _, c := range o.Collectors[1:] {
			if c.DrainRate > 0 && (first.DrainRate == 0 || c.DrainRate < first.DrainRate) {
				first.DrainRate, first.DrainLive = c.DrainRate, c.DrainLive
			}
		}
		first.Name = groupName
		o.Collectors = []uplink.Collector{first}
	}
	for i := range o.Collectors {
		c := &o.Collectors[i]
		f := uplink.NewFailover(d.FailBack, slices.Concat(members[i:], members[:i])...)
		c.Dial, c.Beside, c.Members = f.Dial, f.Run, f.Status
	}
}

// collector says how the log feeds one collector.
func (r *runner) collector(w *way) (uplink.Collector, error) {
	c := &w.Collector
	if _, err := liveProfile(r.cfg, c, &r.cut, r.wall, r.clockKnown); err != nil {
		return uplink.Collector{}, err
	}
	newEncoder := func() *encoder {
		p, err := liveProfile(r.cfg, c, &r.cut, r.wall, r.clockKnown)
		if err != nil {
			panic("firmware: " + err.Error()) // it worked a moment ago
		}
		return &encoder{p, &r.old}
	}
	u := uplink.Collector{
		Name: c.Name, Dial: r.inTime(w.dialer), NewEncoder: func() uplink.Encoder { return newEncoder() },
		Datagram: c.Transport == config.UDP, Secure: c.Transport.Secure(),
		Strict: c.Order == config.OrderStrict, DrainRate: c.DrainRate, Filtered: filtered(r.cfg, c),
	}
	if c.Transport.NATS() {
		names := r.natsNames(c)
		u.NewEncoder = func() uplink.Encoder { return jetstream.NewEncoder(newEncoder(), export.First, names) }
	}
	if c.Profile == config.Homer7 {
		u.Packets, u.First = export.MaxFrames, export.First
		if c.DrainRate == 0 {
			u.DrainRate, u.DrainLive = homerDrain, homerDrainLive
		}
	}
	if maxAge(c) > 0 {
		u.Hold = newEncoder().Old
	}
	return u, nil
}

// filtered reports whether there are records that c does not get.
func filtered(cfg config.Config, c *config.Collector) bool {
	f := cfg.FilterOf(c)
	return f.On() || shares(cfg)
}

// shares reports whether each call is one collector's.
func shares(cfg config.Config) bool {
	return cfg.Delivery.Arrangement == config.Balance && len(cfg.Collector) > 1
}

// newReaders makes what decides which collectors a record is for: those that do not
// get all of them.
func newReaders(cfg config.Config) (out []probe.Reader, err error) {
	for i := range cfg.Collector {
		c := &cfg.Collector[i]
		if !filtered(cfg, c) {
			continue
		}
		r := probe.Reader{Name: c.Name, Share: shares(cfg)}
		if f := cfg.FilterOf(c); !f.On() {
			out = append(out, r)
			continue
		}
		if r.Filter, err = trace.New(cfg.FilterOf(c), traceLimits(cfg)); err != nil {
			return nil, fmt.Errorf("collector %s filter: %w", c.Name, err)
		}
		out = append(out, r)
	}
	return out, nil
}

// deliverTo has the pipeline put its records into the log.
func (r *runner) deliverTo(pc *probe.Config) {
	pc.Deliver = r.uplink.Append
	for i := range pc.Readers {
		pc.Readers[i].Bit = r.uplink.Bit(pc.Readers[i].Name)
	}
}

// A backlog can bring down the server it was kept for, one that writes each record to
// a database: unless the user says otherwise, it gets so many records a second, or so
// many times what it gets anyway. It has partitions for so long only, and a record for
// which there is none makes it lose others.
const (
	homerDrain     = 500
	homerDrainLive = 2
	homerKeeps     = 48 * time.Hour
)

// maxAge is how old a record may be that is sent to c, 0 for any age.
func maxAge(c *config.Collector) time.Duration {
	if c.MaxAge == 0 && c.Profile == config.Homer7 {
		return homerKeeps
	}
	return max(c.MaxAge, 0)
}

// encoder leaves out what is too old where it cannot be held back: between younger
// records, and what another agent's clock has made old.
type encoder struct {
	*export.Profile
	old *atomic.Uint64
}

func (e *encoder) Encode(dst, rec []byte) ([]byte, error) {
	dst, err := e.Profile.Encode(dst, rec)
	if errors.Is(err, export.ErrOld) {
		e.old.Add(1)
		return dst, uplink.ErrFiltered
	}
	return dst, err
}
