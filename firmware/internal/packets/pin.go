package packets

import (
	"errors"
	"slices"
	"time"
)

// Pin is what is held of the time around a mark.
type Pin struct {
	ID     int    // counts from 1
	At     int64  // wall time of the mark, Unix nanoseconds
	Text   string // of the mark
	By     string // who made it
	Octets uint64
	Open   bool // more may follow
}

// pin is a Pin with what it holds. It belongs to Memory.mu.
type pin struct {
	Pin
	until    int64 // monotonic
	segments []*segment
	reserve  int        // segments that may still follow
	followed [lanes]int // that have
}

func (p *pin) public() Pin {
	out := p.Pin
	for _, s := range p.segments {
		out.Octets += uint64(s.filled.Load())
	}
	return out
}

// ErrNoPin says that there is no such pin, or not any more.
var ErrNoPin = errors.New("there is no such pin, or not any more")

// Mark pins what is held, and what comes within Config.After of the monotonic time
// now. It returns the pin, and the one that gave way for it, if any did.
func (m *Memory) Mark(text, by string, wall, now int64) (made Pin, gone *Pin) {
	fresh := m.segments(m.most) // not under the lock; what is not needed is let go again
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.cfg.Pins <= 0 {
		return Pin{}, nil
	}
	if len(m.pins) >= m.cfg.Pins {
		g := m.pins[0].public()
		m.drop(0)
		m.dropped++
		gone = &g
	}
	m.pinned++
	p := &pin{Pin: Pin{ID: m.pinned, At: wall, Text: text, By: by, Open: true}, until: now + int64(m.cfg.After)}
	p.segments = make([]*segment, 0, 2*m.most)
	missing := 0
	for _, s := range m.window() {
		if s.pins == 0 {
			missing++
		}
		s.pins++
		p.segments = append(p.segments, s)
	}
	p.reserve = min(m.most/lanes, max(0, m.most-missing))
	m.free = append(m.free, fresh[:min(len(fresh), missing+p.reserve)]...)
	m.pins = append(m.pins, p)
	return p.public(), gone
}

// follow makes a segment that is begun at now part of an open pin. What follows may
// take the place of the oldest half, and no more.
func (p *pin) follow(m *Memory, s *segment, now int64) {
	if !p.Open {
		return
	}
	if now > p.until {
		p.Open, p.reserve = false, 0
		return
	}
	if p.followed[s.lane] >= m.most/lanes/lanes {
		return
	}
	p.followed[s.lane]++
	p.reserve = max(0, p.reserve-1)
	s.pins++
	p.segments = append(p.segments, s)
	if len(p.segments) > m.most {
		for i, o := range p.segments {
			if !o.writing {
				o.pins--
				p.segments = slices.Delete(p.segments, i, i+1)
				return
			}
		}
	}
}

// Unpin lets a pin go.
func (m *Memory) Unpin(id int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, p := range m.pins {
		if p.ID == id {
			m.drop(i)
			return nil
		}
	}
	return ErrNoPin
}

// drop lets the i-th pin go. m.mu is held.
func (m *Memory) drop(i int) {
	for _, s := range m.pins[i].segments {
		s.pins--
	}
	m.pins = slices.Delete(m.pins, i, i+1)
	m.settle()
}

// end returns the wall time at which a pin's frames end.
func (p *pin) end(c *Config) time.Time { return time.Unix(0, p.At).Add(c.After) }
