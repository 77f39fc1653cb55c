package ring

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"heptap/capture"
)

// machine is a host with a network card, of which each clock goes as it is told.
type machine struct {
	t      *testing.T
	r      *Ring
	mono   int64   // CLOCK_MONOTONIC
	wall   int64   // CLOCK_REALTIME - CLOCK_MONOTONIC
	card   int64   // the card's clock when mono was 0
	fast   float64 // how much faster it goes
	wrong  int64   // by which frames are stamped wrongly
	on     bool    // frames are stamped by the card
	lazy   bool    // the card stamps nothing, all the same
	dead   bool    // its clock cannot be read
	refuse error   // of opening it
	opens  int
	closes int
	next   int
}

const blockOctets = 8 << 10

func newMachine(t *testing.T) *machine {
	m := &machine{t: t, mono: 5e9, wall: 1700000000e9, card: 37e9, fast: 40e-6}
	sys := kernel{
		clocks: func() (int64, int64) { return m.mono + m.wall, m.mono },
		openCard: func(int, string) (cardClock, error) {
			if m.refuse != nil {
				return cardClock{}, m.refuse
			}
			m.opens++
			return cardClock{
				read:  func() (int64, int64, int64, bool) { return m.shows(m.mono), m.mono, 2000, !m.dead },
				close: func() error { m.closes++; return nil },
			}, nil
		},
		stampBy: func(_ int, on bool) error { m.on = on; return nil },
	}
	cfg, err := Config{Interface: "span0", HardwareTime: true}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	m.r = &Ring{cfg: cfg, sys: sys, clk: clock{read: sys.clocks}}
	m.r.sock = &socket{fd: -1, mem: make([]byte, 4*blockOctets), geo: Geometry{BlockBytes: blockOctets, Blocks: 4}, link: capture.LinkEthernet}
	m.r.clk.drained(0)
	m.r.startStamping()
	return m
}

// shows is what the card's clock shows at a monotonic time.
func (m *machine) shows(mono int64) int64 { return m.card + mono + int64(float64(mono)*m.fast) }

// block fills a block with frames that come 1 ms apart, the last one a millisecond before it is
// read, and returns how wrong the time of the worst is, by Mono and by Wall.
func (m *machine) block(frames int) (worst time.Duration) {
	m.t.Helper()
	b := m.r.sock.block(m.next)
	copy(b, synthetic(frames, 60))
	put := func(off int, v uint32) { binary.NativeEndian.PutUint32(b[off:], v) }
	began := m.mono + m.wall
	put(blockFirstSec, uint32(began/1e9))
	put(blockFirstNsec, uint32(began%1e9))
	came := make([]int64, frames)
	off := blockMin
	for i := range came {
		m.mono += 1e6
		came[i] = m.mono
		at, status := m.mono+m.wall, uint32(0)
		if m.on && !m.lazy {
			at, status = m.shows(m.mono)+m.wrong, unix.TP_STATUS_TS_RAW_HARDWARE
		}
		put(off+hdrSec, uint32(at/1e9))
		put(off+hdrNsec, uint32(at%1e9))
		put(off+hdrStatus, status)
		off += int(binary.NativeEndian.Uint32(b[off+hdrNext:]))
	}
	m.mono += 1e6
	m.next = (m.next + 1) % 4
	got := make([]capture.Frame, frames+1)
	if n := m.r.deliver(got); n != frames {
		m.t.Fatalf("%d frames of %d", n, frames)
	}
	m.r.release()
	for i, at := range came {
		for _, d := range []int64{got[i].Mono - at, got[i].Wall - m.wall - at} {
			worst = max(worst, time.Duration(max(d, -d)))
		}
	}
	return worst
}

func (m *machine) shown() capture.Timestamps {
	m.r.countStamps()
	return m.r.Timestamps()
}

func TestHardwareTimes(t *testing.T) {
	m := newMachine(t)
	for m.mono < 60e9 {
		worst := m.block(10)
		if limit := 50 * time.Microsecond; worst > limit || m.mono > 8e9 && worst > time.Microsecond {
			t.Fatalf("after %v: times are wrong by %v", time.Duration(m.mono), worst)
		}
		if m.mono > 30e9 && m.wall == 1700000000e9 {
			m.wall -= 3600e9 // the clock is set back by an hour
		}
	}
	st := m.shown()
	if !st.Hardware || st.Reason != "" || st.Stamped < 50000/11*10 || st.Refused+st.Unstamped+st.Fallbacks != 0 {
		t.Errorf("%+v", st)
	}
	if ahead := time.Duration(m.shows(m.mono) - m.mono - m.wall); (st.Offset-ahead).Abs() > time.Millisecond || st.Rate < 39 || st.Rate > 41 {
		t.Errorf("ahead by %v and %.2f ppm, is %v and 40", st.Offset, st.Rate, ahead)
	}
	if !strings.Contains(st.String(), "gains 40.0 ppm") {
		t.Error(st.String())
	}
}

// A card's clock that is set, as by a program that keeps it, is compared anew at
// the first frame that shows it.
func TestHardwareClockSet(t *testing.T) {
	m := newMachine(t)
	for range 300 {
		m.block(10)
	}
	m.card += 7e9
	for range 300 {
		if worst := m.block(10); worst > 50*time.Microsecond {
			t.Fatalf("wrong by %v", worst)
		}
	}
	if st := m.shown(); !st.Hardware || st.Refused != 0 {
		t.Errorf("%+v", st)
	}
}

// Times that cannot be are not believed, and the third block of them ends it. It is
// tried again after a minute, and less and less often while it stays so.
func TestHardwareTimesRefused(t *testing.T) {
	for _, wrong := range []time.Duration{-40 * time.Millisecond, 40 * time.Millisecond, -time.Hour, time.Hour} {
		m := newMachine(t)
		m.block(10)
		m.wrong = int64(wrong)
		for range badBlocks + 1 { // the last one was filled before its clock was given up
			if worst := m.block(10); worst > 12*time.Millisecond {
				t.Fatalf("%v: a time that is wrong by %v was believed", wrong, worst)
			}
		}
		if worst := m.block(10); worst != 0 {
			t.Errorf("%v: software times are wrong by %v", wrong, worst)
		}
		st := m.shown()
		if st.Hardware || st.Refused != 10*(badBlocks+1) || st.Stamped != 10 || st.Fallbacks != 1 || !strings.Contains(st.String(), "more than 10ms from those of the system") {
			t.Errorf("%v: %+v", wrong, st)
		}
		if m.on || m.opens != 1 || m.closes != 1 {
			t.Errorf("%v: on %v, opened %d times, closed %d times", wrong, m.on, m.opens, m.closes)
		}
		m.mono += int64(stampRetry)
		for range 5 {
			m.block(10)
		}
		if m.opens != 2 || m.on {
			t.Errorf("%v: opened %d times a minute later", wrong, m.opens)
		}
		m.mono += int64(stampRetry)
		if m.block(10); m.opens != 2 {
			t.Errorf("%v: tried again too soon", wrong)
		}
		m.wrong = 0
		m.mono += int64(stampRetry)
		m.block(10)
		if worst := m.block(10); worst > 50*time.Microsecond || !m.shown().Hardware {
			t.Errorf("%v: it is right again, and off by %v: %+v", wrong, worst, m.shown())
		}
	}
}

func TestHardwareClockGone(t *testing.T) {
	m := newMachine(t)
	m.block(10)
	m.dead = true
	for m.mono < 17e9 {
		if worst := m.block(10); worst > time.Millisecond {
			t.Fatalf("wrong by %v", worst)
		}
	}
	if st := m.shown(); st.Hardware || st.Refused != 0 || !strings.Contains(st.Reason, "cannot be read") {
		t.Errorf("%+v", st)
	}
}

func TestHardwareStampsNothing(t *testing.T) {
	m := newMachine(t)
	m.lazy = true
	for range 110 {
		if worst := m.block(10); worst != 0 {
			t.Fatalf("wrong by %v", worst)
		}
	}
	if st := m.shown(); st.Hardware || st.Unstamped < unstamped || !strings.Contains(st.Reason, "stamps no frames") {
		t.Errorf("%+v", st)
	}
}

func TestHardwareRefused(t *testing.T) {
	m := newMachine(t)
	m.r.endStamping()
	m.refuse = errors.New("it has none")
	m.r.startStamping()
	if worst := m.block(10); worst != 0 {
		t.Errorf("wrong by %v", worst)
	}
	if st := m.shown(); !st.Wanted || st.Hardware || st.String() != "software: the card's clock is not used: it has none" {
		t.Errorf("%+v", st)
	}
}

func TestHardwareAllocatesNothing(t *testing.T) {
	m := newMachine(t)
	m.block(10)
	frames := make([]capture.Frame, 16)
	if n := testing.AllocsPerRun(200, func() {
		m.mono += 1e9
		m.r.clk.measure()
		m.r.clk.card.follow(m.mono) // one comparison
		m.r.walk.start(m.r.sock.block(0))
		m.r.clk.opened(m.r.walk.block)
		m.r.walk.fill(frames, &m.r.clk, capture.LinkEthernet, 0)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
