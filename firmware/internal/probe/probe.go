package probe

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"heptap/capture"
	"heptap/capture/correlate"
	"heptap/capture/media"
	"heptap/capture/mirror"
	"heptap/capture/neighbour"
	"heptap/capture/record"
	"heptap/capture/stream"
	"heptap/firmware/internal/assembly"
	"heptap/firmware/internal/beyond"
	"heptap/firmware/internal/intake"
	"heptap/firmware/internal/packets"
	"heptap/firmware/internal/privacy"
	"heptap/firmware/internal/trace"
)

// Input is one source of frames: a ring of a mirror port, or a file.
type Input struct {
	Name   string
	Source capture.Source
	Lag    time.Duration // how long the source may hold a frame back before Read returns it

	Port     uint8              // index of the mirror port, as in its frames
	PortName string             // Name if it is empty
	Own      [6]byte            // the port's hardware address, if it has one
	Link     func() mirror.Link // whether it has a carrier; nil for a file

	Timestamps func() capture.Timestamps // which clock its frames have their time of; nil for a file
}

// Config is what a Probe is made of.
type Config struct {
	Inputs    []Input
	Replay    bool         // packet time is the clock, and nothing is dropped for want of room
	Now       func() int64 // the live sources' monotonic clock, ns; not used when Replay is set
	Media     media.Config // of each input; Worker is filled in
	Assembly  assembly.Config
	Correlate correlate.Config
	ISUP      bool            // make records of ISUP
	Memory    *packets.Memory // where frames are kept, nil for none; not part of MemoryBytes
	Privacy   *privacy.Filter // what records do not tell; nil: they tell what they tell
	Trace     *trace.Engine   // what is denied is not delivered; nil delivers everything
	Readers   []Reader        // who does not get all that is delivered
	Lines     Lines           // lines of logs received on the management side, nil for none; not with Replay
	Relay     Relay           // what other agents have seen, nil for none; not with Replay
	Shed      []record.Class  // what is left out when the merge is behind, the first first; nil is record.ShedOrder, and Call never is
	Beyond    beyond.Config   // of what Assembly.Beside finds; Correlator is filled in

	// Deliver takes one record in its canonical form, not yet sealed. It
	// borrows rec. An error ends the probe.
	Deliver func(rec []byte) error
	// Delivered, unless it is nil, is told of each record that Deliver took. It
	// borrows r.
	Delivered func(r *record.Record)
}

// Probe is the pipeline. New makes it, Run runs it once.
type Probe struct {
	cfg        Config
	workers    []*worker
	assembly   *assembly.Assembly
	correlator *correlate.Correlator
	isup       *beyond.ISUP // nil: not asked for
	beyond     *beyond.Beyond
	merge      merge
	ports      []*judgement
	sample     mirror.Sample // of the port being judged
	judged     int64         // when ports are judged next
	shares     shares
	scratch    []byte
	id         []byte
	err        error // of Deliver, the first one
	cancel     context.CancelFunc

	records  [256]atomic.Uint64 // by record.Type
	oversize atomic.Uint64
	cut      atomic.Uint64
}

// New wires a probe together. The probe owns the inputs' sources from then on.
func New(cfg Config) *Probe {
	p := &Probe{cfg: cfg, scratch: make([]byte, 0, 80<<10), judged: math.MinInt64, shares: newShares(cfg.Readers, cfg.Correlate.Calls)}
	ac := &p.cfg.Assembly
	ac.Stream.Ignore = stream.NewIgnore(ac.Stream.Connections)
	wake, seed, asked := make(chan struct{}, 1), rand.Uint64(), new(asked)
	for i, in := range cfg.Inputs {
		m := cfg.Media
		m.Worker = uint16(i)
		tally := mirror.NewTally(mirror.TallyConfig{Own: in.Own, Seed: seed})
		w := newWorker(in, &p.cfg, media.New(m), tally, wake, asked)
		p.workers = append(p.workers, w)
		j := p.port(&in)
		w.neighbours = j.neighbours
		j.workers, j.tallies = append(j.workers, w), append(j.tallies, tally)
	}
	for _, j := range p.ports {
		for _, o := range p.ports {
			if o != j {
				j.others = append(j.others, o.tallies...)
			}
		}
	}
	cc := cfg.Correlate
	cc.Emit = p.emit
	p.correlator = correlate.New(cc)
	ac.Media = cfg.Media
	ac.Media.Worker = uint16(len(cfg.Inputs))
	ac.Net = p.correlator
	bc := cfg.Beyond
	bc.Correlator = p.correlator
	p.beyond = beyond.New(bc)
	ac.Followers = p.beyond
	ac.Message, ac.RTP = p.message, p.correlator.Stream
	if cfg.ISUP {
		p.isup = beyond.NewISUP(beyond.ISUPConfig{Note: p.correlator.Note})
	}
	ac.Lookup = cfg.Relay != nil
	p.assembly = assembly.New(*ac)
	p.merge = merge{workers: p.workers, heads: make([]head, len(p.workers)), wake: wake,
		assembly: p.assembly, correlator: p.correlator, judge: p.judge, sample: p.takeSample, latest: math.MinInt64}
	if !cfg.Replay {
		p.merge.now, p.merge.relay, p.merge.relayed = cfg.Now, cfg.Relay, p.relayed
		p.merge.lines, p.merge.line = cfg.Lines, p.beyond.Message
	}
	return p
}

// port returns the judgement of an input's port, which it makes for the first.
func (p *Probe) port(in *Input) *judgement {
	for _, j := range p.ports {
		if j.port == in.Port {
			return j
		}
	}
	name := in.PortName
	if name == "" {
		name = in.Name
	}
	j := &judgement{name: name, port: in.Port, link: in.Link, judge: mirror.New(mirror.Config{Port: name}), neighbours: new(neighbour.Table)}
	p.ports = append(p.ports, j)
	return j
}

// Run captures until ctx is done or all inputs have ended, takes in what a live
// source held at that moment, makes the final reports of what was going on and
// returns. When an input fails, the
// others are ended too; what came before is correlated all the same. Ending
// because ctx is done is no error.
func (p *Probe) Run(ctx context.Context) error {
	ctx, p.cancel = context.WithCancel(ctx)
	defer p.cancel()
	var wg sync.WaitGroup
	errs := make([]error, len(p.workers))
	for i, w := range p.workers {
		wg.Go(func() {
			if errs[i] = w.run(ctx); errs[i] != nil {
				p.cancel()
			}
		})
	}
	p.merge.run()
	wg.Wait()
	p.merge.drain()
	p.assembly.Flush()
	p.beyond.Flush()
	p.correlator.Flush()
	return errors.Join(append(errs, p.err)...)
}

// Reached returns the time, on the sources' clock, up to which every worker has
// read and everything was correlated and delivered. While the probe runs it
// follows the clock, by less than a second unless there is more to do than can be done,
// whether or not frames come. It may be called from any goroutine.
func (p *Probe) Reached() int64 {
	mono := p.merge.reached.Load()
	for _, w := range p.workers {
		mono = min(mono, w.progress.Load())
	}
	return mono
}

// message is where the assembly's messages come out. What else is read of one
// follows the record of the message itself.
func (p *Probe) message(m *capture.Message) {
	switch m.Protocol {
	case capture.Syslog, capture.DNS, capture.NG, capture.MI:
		p.beyond.Message(m)
		return
	}
	if p.cfg.Relay != nil && p.cfg.Relay.Tap(m) == intake.Copied {
		p.correlator.Repeated(m)
		return
	}
	p.correlator.Message(m)
	p.beside(m)
}

// beside makes the records of what else is in a message.
func (p *Probe) beside(m *capture.Message) {
	if p.isup != nil {
		p.isup.Message(m)
	}
}

// emit is where the correlator's records leave it.
func (p *Probe) emit(r *record.Record) {
	if p.err != nil || !p.cfg.Trace.Allow(r) {
		return
	}
	if len(r.Payload) > record.MaxPayload && r.Type == record.SIP {
		// SIP that no HEP frame can hold is cut; half a JSON object is of no use.
		r.Payload, r.Flags = r.Payload[:record.MaxPayload], r.Flags|record.FlagCut
		p.cut.Add(1)
	}
	r.Skip = p.skip(r)
	b, err := r.AppendBinary(p.scratch[:0])
	if err != nil {
		p.oversize.Add(1)
		return
	}
	p.scratch = b[:0]
	if p.cfg.Privacy != nil {
		r.Payload = b[len(b)-len(r.Payload):] // the record's own copy
		p.cfg.Privacy.Apply(r)
	}
	if err := p.cfg.Deliver(b); err != nil {
		p.err = err
		p.cancel()
		return
	}
	p.records[r.Type].Add(1)
	if p.cfg.Delivered != nil {
		p.cfg.Delivered(r)
	}
}
