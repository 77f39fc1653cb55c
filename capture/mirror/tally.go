package mirror

import (
	"encoding/binary"
	"sync/atomic"
	"unsafe"

	"heptap/capture"
)

// TallyConfig says how a Tally works.
type TallyConfig struct {
	// Own is the hardware address of the port itself. Zero if it is not known:
	// then nothing is told apart as the probe's own.
	Own [6]byte
	// Seed makes the places of conversations unpredictable. All tallies of a
	// probe have the same.
	Seed uint64
}

// MemoryBytes returns how much memory a Tally holds, always.
func (TallyConfig) MemoryBytes() int64 { return int64(unsafe.Sizeof(Tally{})) }

// Sampling. When a second has more than sampleAll frames, only so many of its
// packets are looked at closely, in runs of sampleRun. They are neighbours, so
// that a question and its answer are both among them or neither is, however many
// packets are skipped between runs.
const (
	sampleAll = 8192
	sampleRun = 1024

	giantFrame  = 2048 // octets; baby giants with tags and tunnels stay below
	hostsPeriod = 60   // seconds
)

// Tally is the evidence that one ring worker gathers about its port. The
// worker alone calls Add and Tick; Collect may be called from anywhere.
type Tally struct {
	own   uint64
	seeds [2]uint64

	count   Frames // the worker's, plain
	seen    uint32 // packets, for sampling
	mask    uint32
	now     uint8 // seconds, modulo 256
	last    int64 // Mono of the last Tick that did anything
	begun   bool
	frames  uint64 // at that Tick
	minute  int    // Ticks since hosts were renewed
	current hosts
	prev    hosts

	published struct {
		unicast, tunnelled, own, multicast, broadcast, unclassed, giant, cut, cutHere atomic.Uint64
		now                                                                           atomic.Uint32
		hosts                                                                         [len(hosts{})]atomic.Uint64
	}
	talks talks
}

// NewTally returns an empty Tally. It never allocates again.
func NewTally(c TallyConfig) *Tally {
	t := &Tally{seeds: [2]uint64{mix(c.Seed^0x9e3779b97f4a7c15, 0xbf58476d1ce4e5b9), mix(c.Seed^0x94d049bb133111eb, 0xd6e8feb86659fd93)}}
	for _, b := range c.Own {
		t.own = t.own<<8 | uint64(b)
	}
	return t
}

// Add counts a frame, and the packet that decode made of it; nil if it made
// none. It borrows both until it returns.
func (t *Tally) Add(f *capture.Frame, p *capture.Packet) {
	switch {
	case p != nil && p.Depth > 0:
		t.count.Tunnelled++
	case f.Link != capture.LinkEthernet || len(f.Data) < 14:
		t.count.Unclassed++
	default:
		switch to := binary.BigEndian.Uint64(f.Data) >> 16; {
		case to>>40&1 == 0 && to != t.own:
			t.count.Unicast++
		case to>>40&1 == 0:
			t.count.Own++
		case to == 1<<48-1:
			t.count.Broadcast++
		default:
			t.count.Multicast++
		}
	}
	if f.Length > giantFrame {
		t.count.Giant++
	}
	if p == nil {
		return
	}
	if p.Truncated {
		if f.Length > len(f.Data) {
			t.count.CutHere++
		} else {
			t.count.Cut++
		}
	}
	if t.seen++; t.seen&t.mask < sampleRun {
		t.look(p)
	}
}

// look counts p's hosts and its conversation.
func (t *Tally) look(p *capture.Packet) {
	if len(p.Src) != len(p.Dst) || len(p.Src) != 4 && len(p.Src) != 16 || p.Fragment.Valid || isGroup(p.Dst) {
		return
	}
	a, b := endpoint(p.Src, 0, t.seeds[0]), endpoint(p.Dst, 0, t.seeds[0])
	// Twice, since one product spreads neighbouring addresses too evenly.
	t.current.add(mix(mix(a^t.seeds[0], t.seeds[1]), t.seeds[0]))
	t.current.add(mix(mix(b^t.seeds[0], t.seeds[1]), t.seeds[0]))
	a, b = a^uint64(p.SrcPort), b^uint64(p.DstPort)
	if a == b {
		return // to itself: no direction to tell
	}
	hash := mix(min(a, b)^t.seeds[0], max(a, b)^t.seeds[1])
	hash = mix(hash^uint64(p.Tunnel), t.seeds[1]^uint64(p.Protocol))
	t.talks.see(p, a, b, hash, t.now)
}

// Tick publishes once a second what was counted. Call it once per batch, with
// the monotonic time, and when there was nothing to read.
func (t *Tally) Tick(mono int64) {
	const second = 1_000_000_000
	since := mono - t.last
	if t.begun && since >= 0 && since < second {
		return
	}
	if seconds := since / second; !t.begun || seconds < 0 || seconds >= talkForget {
		t.talks.clear()
		t.begun, t.last = true, mono
	} else {
		t.now += uint8(seconds)
		t.last += seconds * second
		t.talks.sweep(t.now)
	}
	c := &t.count
	frames := c.Unicast + c.Tunnelled + c.Own + c.Multicast + c.Broadcast + c.Unclassed
	t.mask = sampleRun - 1 // all
	for n := frames - t.frames; n > sampleAll && t.mask < 1<<30; n /= 2 {
		t.mask = t.mask<<1 | 1
	}
	t.frames = frames
	if t.minute++; t.minute >= hostsPeriod {
		t.minute, t.prev, t.current = 0, t.current, hosts{}
	}
	t.publish()
}

func (t *Tally) publish() {
	p, c := &t.published, &t.count
	p.unicast.Store(c.Unicast)
	p.tunnelled.Store(c.Tunnelled)
	p.own.Store(c.Own)
	p.multicast.Store(c.Multicast)
	p.broadcast.Store(c.Broadcast)
	p.unclassed.Store(c.Unclassed)
	p.giant.Store(c.Giant)
	p.cut.Store(c.Cut)
	p.cutHere.Store(c.CutHere)
	p.now.Store(uint32(t.now))
	both := t.prev
	both.merge(&t.current)
	for i, w := range both {
		p.hosts[i].Store(w)
	}
}

// Collect fills s.Frames, s.Talk and s.Hosts from all tallies of one port, as of
// their last Ticks. The two directions of a conversation may have gone to
// different workers, and with a TAP come by different ports: others are the
// tallies of the other ports. It may be called from any goroutine.
func Collect(s *Sample, port, others []*Tally) {
	s.Frames, s.Talk = Frames{}, Talk{}
	var all hosts
	for _, t := range port {
		p := &t.published
		s.Frames.add(&Frames{
			Unicast: p.unicast.Load(), Tunnelled: p.tunnelled.Load(), Own: p.own.Load(),
			Multicast: p.multicast.Load(), Broadcast: p.broadcast.Load(), Unclassed: p.unclassed.Load(),
			Giant: p.giant.Load(), Cut: p.cut.Load(), CutHere: p.cutHere.Load(),
		})
		var h hosts
		for i := range h {
			h[i] = p.hosts[i].Load()
		}
		all.merge(&h)
	}
	s.Hosts = all.count()
	for i := range 2 * talkHalf {
		collectTalk(&s.Talk, port, others, i)
	}
}

// collectTalk counts the port's conversations at place i, each once.
func collectTalk(n *Talk, port, others []*Tally, i int) {
	for j, t := range port {
		w, now := t.talk(i)
		if w == 0 || counted(port[:j], i, w) {
			continue
		}
		for _, tallies := range [...][]*Tally{port[j+1:], others} {
			for _, o := range tallies {
				if other, at := o.talk(i); other != 0 && (other^w)&word(talkTag) == 0 {
					w = w.merge(other.shifted(now-at), now)
				}
			}
		}
		n.count(w)
	}
}

// talk returns what t has at place i, and t's second.
func (t *Tally) talk(i int) (word, uint8) {
	return word(t.talks[i].Load()), uint8(t.published.now.Load())
}

// shifted returns w with its seconds moved to another worker's count of them.
func (w word) shifted(by uint8) word {
	return w&^(0xffff<<16) | word(w.born()+by)<<24 | word(w.last()+by)<<16
}

// counted reports whether one of tallies has w's conversation at place i.
func counted(tallies []*Tally, i int, w word) bool {
	for _, t := range tallies {
		if o, _ := t.talk(i); o != 0 && (o^w)&word(talkTag) == 0 {
			return true
		}
	}
	return false
}

func (f *Frames) add(g *Frames) {
	f.Unicast += g.Unicast
	f.Tunnelled += g.Tunnelled
	f.Own += g.Own
	f.Multicast += g.Multicast
	f.Broadcast += g.Broadcast
	f.Unclassed += g.Unclassed
	f.Giant += g.Giant
	f.Cut += g.Cut
	f.CutHere += g.CutHere
}
