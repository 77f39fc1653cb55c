package jetstream_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"heptap/buffer"
	"heptap/capture/record"
	"heptap/firmware/internal/jetstream"
	"heptap/firmware/internal/jetstream/natstest"
	"heptap/firmware/internal/uplink"
)

// rig is a log with one collector, a stream.
type rig struct {
	t    *testing.T
	log  *uplink.Log
	made int
	path string
	addr string
	ran  chan error

	change []func(*uplink.Options)
}

func newRig(t *testing.T, addr string, change ...func(*uplink.Options)) *rig {
	r := &rig{t: t, path: filepath.Join(t.TempDir(), "spool"), addr: addr, change: change}
	r.open()
	t.Cleanup(func() { r.stop(0) })
	return r
}

func (r *rig) open() {
	r.t.Helper()
	spool, err := buffer.Open(r.path, buffer.Options{Classes: int(record.NumClasses), MaxBytes: 64 << 20, Tag: uplink.Tag})
	if err != nil {
		r.t.Fatal(err)
	}
	d := dialer(r.t, r.addr, nil)
	o := uplink.Options{Spool: spool, Boot: [16]byte{9}, SpillAfter: 100 * time.Millisecond, BackoffMax: 500 * time.Millisecond,
		Collectors: []uplink.Collector{{Name: "stream", NewEncoder: func() uplink.Encoder { return newEncoder(r.t, 0) },
			Dial: dials(d, time.Second)}}}
	for _, f := range r.change {
		f(&o)
	}
	if r.log, err = uplink.Open(o); err != nil {
		r.t.Fatal(err)
	}
	r.ran = make(chan error, 1)
	go func() { r.ran <- r.log.Run(context.Background()) }()
}

func (r *rig) stop(wait time.Duration) {
	if r.log == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	_ = r.log.Shutdown(ctx) // whether all was sent in time the test will see
	if err := <-r.ran; err != nil {
		r.t.Error(err)
	}
	r.log = nil
}

func (r *rig) make(n int) {
	r.t.Helper()
	for range n {
		r.made++
		if err := r.log.Append(rec(r.t, uint64(r.made), 200)); err != nil {
			r.t.Fatal(err)
		}
	}
}

func (r *rig) stats() uplink.CollectorStats {
	r.t.Helper()
	s := r.log.Stats().Collectors[0]
	if s.Balance() != 0 {
		r.t.Fatalf("the books do not balance: %+v", s.Counts)
	}
	return s
}

func (r *rig) until(what string, ok func(uplink.CollectorStats) bool) {
	r.t.Helper()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		s := r.stats()
		if ok(s) {
			return
		}
		if time.Now().After(end) {
			r.t.Fatalf("not yet: %s: %+v %+v", what, s.Status, s.Counts)
		}
	}
}

func (r *rig) allConfirmed() {
	r.t.Helper()
	r.until("all are confirmed", func(s uplink.CollectorStats) bool {
		return s.InMemory+s.Spooled == 0 && s.Confirmed+s.Quarantined == s.Made+s.CarriedIn
	})
}

// check asserts that the stream has every record made, each once, in order if nothing was
// refused meanwhile.
func (r *rig) check(s *natstest.Server, ordered bool) {
	r.t.Helper()
	seen := map[string]bool{}
	last := ""
	for _, m := range s.Messages() {
		id := m.Header.Get(nats.MsgIdHdr)
		if seen[id] {
			r.t.Errorf("%s is there twice", id)
		}
		seen[id] = true
		if key := fmt.Sprintf("%20s", strings.Split(id, "-")[1]); ordered && key < last {
			r.t.Errorf("%s comes after %s", key, last)
		} else {
			last = key
		}
	}
	if len(seen) != r.made {
		r.t.Errorf("the stream has %d records of %d", len(seen), r.made)
	}
}

// TestHealthy: an acknowledgement confirms at once, without a barrier, and nothing is written to disk.
func TestHealthy(t *testing.T) {
	s := natstest.New(t, natstest.Options{})
	s.Stream(nil)
	r := newRig(t, s.Addr(), func(o *uplink.Options) { o.SpillAfter = 10 * time.Second })
	for range 10 {
		r.make(500)
		r.allConfirmed()
	}
	if k := r.stats(); k.Barriers != 0 || k.Dials != 1 || k.State != uplink.Up || k.Resent != 0 || k.Spooled != 0 {
		t.Errorf("%+v %+v", k.Status, k.Counts)
	}
	r.check(s, true)
}

// TestDuplicates: what a stream has already, by its own word, is counted. Another log with the same boot id and the same
// numbers sends messages with the same ids.
func TestDuplicates(t *testing.T) {
	s := natstest.New(t, natstest.Options{})
	s.Stream(nil)
	first := newRig(t, s.Addr())
	first.make(500)
	first.allConfirmed()
	again := newRig(t, s.Addr())
	again.make(700)
	again.allConfirmed()
	if n, k := first.stats().Duplicates, again.stats(); n != 0 || k.Duplicates != 500 {
		t.Errorf("%d duplicates, and %d", n, k.Duplicates)
	}
	again.check(s, true)
}

// TestServerRestarts: a server that stops and starts while records are made loses none, and has none twice.
func TestServerRestarts(t *testing.T) {
	s := natstest.New(t, natstest.Options{})
	s.Stream(nil)
	r := newRig(t, s.Addr())
	for range 5 {
		r.make(2000)
		s.Stop()
		r.make(2000)
		s.Start()
	}
	r.allConfirmed()
	r.check(s, false)
	r.until("the uplink is up", func(k uplink.CollectorStats) bool { return k.State == uplink.Up })
}

// TestProbeRestarts: what waits on disk goes with the ids that it would have had; what was stored and not
// acknowledged when the probe ended is not stored again.
func TestProbeRestarts(t *testing.T) {
	s := natstest.New(t, natstest.Options{})
	s.Stream(nil)
	r := newRig(t, s.Addr())
	for range 5 {
		r.make(3000)
		r.stop(0)
		r.open()
	}
	s.Stop()
	r.make(3000)
	r.until("something is on disk", func(k uplink.CollectorStats) bool { return k.Spooled > 0 })
	r.stop(0)
	s.Start()
	r.open()
	r.allConfirmed()
	r.check(s, false)
}

// TestStreamMissing: the log says so, keeps the records, and sends them once there is a stream.
func TestStreamMissing(t *testing.T) {
	s := natstest.New(t, natstest.Options{})
	r := newRig(t, s.Addr())
	r.make(3000)
	r.until("the reason is told", func(k uplink.CollectorStats) bool {
		return k.State == uplink.Down && strings.Contains(k.Reason, "no stream takes subject")
	})
	if k := r.stats(); k.Confirmed != 0 || k.Quarantined != 0 {
		t.Errorf("%+v", k.Counts)
	}
	s.Stream(nil)
	r.allConfirmed()
	r.check(s, false)
}

// TestStreamFull: what a full stream does not take waits until there is room.
func TestStreamFull(t *testing.T) {
	s := natstest.New(t, natstest.Options{})
	s.Stream(func(c *nats.StreamConfig) { c.MaxMsgs, c.Discard = 1000, nats.DiscardNew })
	r := newRig(t, s.Addr())
	r.make(3000)
	r.until("the reason is told", func(k uplink.CollectorStats) bool {
		return k.State == uplink.Down && strings.Contains(k.Reason, "is full") && k.Confirmed > 0
	})
	s.Stream(nil)
	r.allConfirmed()
	r.check(s, false)
}

// TestPoison: a record that the stream refuses is set aside, it alone, and the connection stands.
func TestPoison(t *testing.T) {
	s := natstest.New(t, natstest.Options{})
	s.Stream(func(c *nats.StreamConfig) { c.MaxMsgSize = 2000 })
	r := newRig(t, s.Addr())
	r.make(100)
	if err := r.log.Append(rec(t, 0, 3000)); err != nil {
		t.Fatal(err)
	}
	r.make(100)
	r.allConfirmed()
	if k := r.stats(); k.Quarantined != 1 || k.Broken != 0 {
		t.Errorf("%+v", k.Counts)
	}
	r.check(s, false)
	r.stop(time.Second)
	spool, err := buffer.OpenReadOnly(r.path)
	if err != nil {
		t.Fatal(err)
	}
	defer spool.Close()
	if n := spool.Stats().Quarantined; n != 1 {
		t.Errorf("%d in quarantine", n)
	}
}

// TestSlowAnswers: answers that take their time are waited for, with a bounded number under way; those
// that do not come make the uplink down, and what was stored is not stored again.
func TestSlowAnswers(t *testing.T) {
	s := natstest.New(t, natstest.Options{})
	s.Stream(nil)
	far := natstest.Between(t, s, 50*time.Millisecond)
	r := newRig(t, far.Addr())
	r.make(6000)
	for {
		k := r.stats()
		if k.Unconfirmed > jetstream.Window*1000 {
			t.Fatalf("%d octets under way", k.Unconfirmed)
		}
		if k.Confirmed == k.Made {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	if k := r.stats(); k.Broken != 0 {
		t.Errorf("%+v", k.Counts)
	}
	far.Hold(true)
	r.make(3000)
	r.until("the silence is told", func(k uplink.CollectorStats) bool {
		return k.State == uplink.Down && strings.Contains(k.Reason, "has answered nothing for 1s")
	})
	far.Hold(false)
	r.allConfirmed()
	r.check(s, false)
	if k := r.stats(); k.Resent == 0 {
		t.Error("nothing was sent once more: there was no fault")
	}
}

// TestFailBack: of two servers the first is used again when it is well.
func TestFailBack(t *testing.T) {
	one, two := natstest.New(t, natstest.Options{}), natstest.New(t, natstest.Options{})
	one.Stream(nil)
	two.Stream(nil)
	var members []uplink.Member
	for i, s := range []*natstest.Server{one, two} {
		d := dialer(t, s.Addr(), nil)
		members = append(members, uplink.Member{Name: fmt.Sprint(i), NewEncoder: func() uplink.Encoder { return newEncoder(t, 0) }, Dial: dials(d, time.Second)})
	}
	f := uplink.NewFailover(200*time.Millisecond, members...)
	l, err := uplink.Open(uplink.Options{BarrierAge: 100 * time.Millisecond, BackoffMax: 200 * time.Millisecond,
		Collectors: []uplink.Collector{{Name: "both", Dial: f.Dial, Beside: f.Run, Members: f.Status, NewEncoder: members[0].NewEncoder}}})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, log: l, ran: make(chan error, 1)}
	go func() { r.ran <- l.Run(context.Background()) }()
	t.Cleanup(func() { r.stop(0) })
	active := func(i int) func(uplink.CollectorStats) bool {
		return func(k uplink.CollectorStats) bool { return k.Members[i].Active && !k.Members[i].Failed }
	}
	r.make(100)
	r.allConfirmed()
	r.until("the first is used", active(0))
	one.Stop()
	r.make(100)
	r.until("the second is used", active(1))
	r.allConfirmed()
	one.Start()
	r.until("the first is used again", active(0))
	r.make(100)
	r.allConfirmed()
	if a, b := one.Count(), two.Count(); a+b < 300 || b < 1 || a < 200 {
		t.Errorf("%d and %d records", a, b)
	}
}
