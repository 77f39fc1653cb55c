package buffer_test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"heptap/buffer"
)

// TestRoom has a medium with less room than the cap, which changes. The file keeps to it,
// and what cannot stay is counted.
func TestRoom(t *testing.T) {
	const cap, slack = 64 << 20, 1 << 20
	path := filepath.Join(t.TempDir(), "spool")
	room, roomErr := int64(6<<20), error(nil)
	asked := 0
	s := open(t, path, buffer.Options{MaxBytes: cap, Shed: []uint8{}, Room: func(p string) (int64, error) {
		if asked++; p != path {
			t.Errorf("asked for %s", p)
		}
		return room, roomErr
	}})
	seq, gone := uint64(1), uint64(0)
	fill := func(octets int) {
		t.Helper()
		for range octets / (64 * 800) {
			res := mustAppend(t, s, batch(seq, 64, 800))
			seq += 64
			for _, l := range append(res.Evicted, res.Shed...) {
				gone += uint64(len(l.Seqs))
			}
		}
		st := s.Stats()
		if held := st.Held.Total().Records; held+gone != seq-1 {
			t.Errorf("%d held and %d gone of %d", held, gone, seq-1)
		}
	}
	fill(20 << 20)
	first := s.Stats()
	if first.HighWaterBytes > room || first.HighWaterBytes < room-slack || gone == 0 || first.LimitBytes != room {
		t.Errorf("room for %d: %+v", room, first)
	}

	room = 1 << 20 // others need it, but the file cannot shrink: it grows no more
	fill(20 << 20)
	if st := s.Stats(); st.HighWaterBytes != first.HighWaterBytes || st.Held.Total().Bytes < 4<<20 {
		t.Errorf("room for %d: %+v, before %+v", room, st, first)
	}

	roomErr = errors.New("nobody knows") // what was said before holds
	fill(5 << 20)
	if st := s.Stats(); st.HighWaterBytes != first.HighWaterBytes {
		t.Errorf("unknown: %+v", st)
	}

	room, roomErr = 32<<20, nil
	damaged := path + ".damaged-20260101T000000Z"
	if err := os.WriteFile(damaged, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	before := gone
	fill(5 << 20)
	if gone != before {
		t.Errorf("%d gone though there is room", gone-before)
	}
	if _, err := os.Stat(damaged); err != nil {
		t.Errorf("a damaged file went without need: %v", err)
	}
	fill(40 << 20)
	if _, err := os.Stat(damaged); err == nil {
		t.Error("a damaged file is left where room is short")
	}
	if st := s.Stats(); st.HighWaterBytes > room || st.HighWaterBytes < room-slack {
		t.Errorf("room for %d: %+v", room, st)
	}
	readAll(t, s, 800)
}

// TestStarved has a medium with so little room that records are not worth being evicted for others. None is
// lost, and what was not taken is taken once there is room.
func TestStarved(t *testing.T) {
	room := int64(64 << 20)
	s := open(t, filepath.Join(t.TempDir(), "spool"), buffer.Options{MaxBytes: 64 << 20, Shed: []uint8{}, Room: func(string) (int64, error) { return room, nil }})
	mustAppend(t, s, batch(1, 64, 800))
	room = 300 << 10
	seq, refused := uint64(65), false
	for ; seq < 100*64 && !refused; seq += 64 {
		res, err := s.Append(batch(seq, 64, 800))
		if refused = errors.Is(err, syscall.ENOSPC); err != nil && !refused {
			t.Fatal(err)
		}
		if len(res.Evicted) > 0 || len(res.Shed) > 0 {
			t.Errorf("lost at %d: %+v", seq, res)
		}
	}
	if held := s.Stats().Held.Total().Records; !refused || held != seq-1-64 {
		t.Errorf("refused %v, %d held of %d", refused, held, seq-1-64)
	}
	room = 64 << 20
	mustAppend(t, s, batch(seq-64, 64, 800)) // again
	if held := s.Stats().Held.Total().Records; held != seq-1 {
		t.Errorf("%d held of %d", held, seq-1)
	}
	readAll(t, s, 800)
}
