package evdev

import (
	"context"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"heptap/hal"
	"heptap/hal/haltest"
)

// keyboard is an input device whose keys the test works. Its clock began an
// hour before the test.
type keyboard struct {
	mu       sync.Mutex
	began    time.Time
	down     bool
	opened   bool
	queue    []byte
	deadline time.Time
	err      error
	wake     chan struct{}
}

const key = 0x211

func newKeyboard() *keyboard {
	return &keyboard{began: time.Now().Add(-time.Hour), wake: make(chan struct{}, 1)}
}

func (k *keyboard) open() (source, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.err != nil {
		return nil, k.err
	}
	k.opened, k.queue = true, nil
	return k, nil
}

func (k *keyboard) clock() (time.Time, time.Duration) {
	now := time.Now()
	return now, now.Sub(k.began)
}

func (k *keyboard) button(t *testing.T) *Button {
	b := &Button{name: "b", cfg: ButtonConfig{Device: "kbd", Key: key}, open: k.open, clock: k.clock}
	t.Cleanup(func() {
		if k.opened {
			t.Error("the device was left open")
		}
	})
	return b
}

// queued appends one event as the kernel would write it.
func queued(b []byte, at time.Duration, kind, code uint16, value int32) []byte {
	for _, n := range []uint64{uint64(at / time.Second), uint64(at % time.Second / time.Microsecond)} {
		if longBytes == 8 {
			b = binary.NativeEndian.AppendUint64(b, n)
		} else {
			b = binary.NativeEndian.AppendUint32(b, uint32(n))
		}
	}
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = binary.NativeEndian.AppendUint16(b, code)
	return binary.NativeEndian.AppendUint32(b, uint32(value))
}

// happens queues events of one moment.
func (k *keyboard) happens(events ...event) {
	k.mu.Lock()
	defer k.mu.Unlock()
	at := time.Since(k.began)
	for _, e := range events {
		if k.opened {
			k.queue = queued(k.queue, at, e.kind, e.code, e.value)
		}
	}
	k.notify()
}

func (k *keyboard) notify() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

func (k *keyboard) set(down bool) {
	value := int32(0)
	if down {
		value = 1
	}
	k.mu.Lock()
	k.down = down
	k.mu.Unlock()
	k.happens(event{kind: evKey, code: key, value: value}, event{kind: evSyn})
}

func (k *keyboard) press()   { k.set(true) }
func (k *keyboard) release() { k.set(false) }

func (k *keyboard) unplug(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.err = err
	k.notify()
}

func (k *keyboard) Read(b []byte) (int, error) {
	for {
		k.mu.Lock()
		deadline := k.deadline
		switch {
		case k.err != nil:
			defer k.mu.Unlock()
			return 0, k.err
		case len(k.queue) > 0:
			defer k.mu.Unlock()
			n := copy(b, k.queue)
			k.queue = k.queue[n:]
			return n, nil
		}
		k.mu.Unlock()
		select {
		case <-k.wake:
		case <-time.After(time.Until(deadline)):
			return 0, os.ErrDeadlineExceeded
		}
	}
}

func (k *keyboard) SetReadDeadline(t time.Time) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.deadline = t
	return nil
}

func (k *keyboard) Pressed() (bool, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.queue = nil
	return k.down, nil
}

func (k *keyboard) Close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.opened = false
	return nil
}

func TestButton(t *testing.T) {
	haltest.TestButton(t, func(t *testing.T) haltest.ButtonUnderTest {
		k := newKeyboard()
		return haltest.ButtonUnderTest{Button: k.button(t), Press: k.press, Release: k.release}
	})
}

// watched runs a button, in a bubble, and returns what it reports and how it ends.
func watched(ctx context.Context, t *testing.T, k *keyboard) (events chan hal.ButtonEvent, done chan error) {
	t.Helper()
	b := k.button(t)
	events, done = make(chan hal.ButtonEvent, 64), make(chan error, 1)
	go func() { done <- b.Run(ctx, func(ev hal.ButtonEvent) { events <- ev }) }()
	synctest.Wait()
	if ev := <-events; ev.Pressed {
		t.Fatal("found pressed")
	}
	return events, done
}

// expect checks what has been reported so far, as times since zero.
func expect(t *testing.T, events chan hal.ButtonEvent, zero time.Time, want ...time.Duration) {
	t.Helper()
	synctest.Wait()
	for i, at := range want {
		select {
		case ev := <-events:
			if ev.Pressed != (i%2 == 0) || ev.At.Sub(zero).Round(time.Millisecond) != at {
				t.Errorf("event %d: pressed %t at %v, want %v", i, ev.Pressed, ev.At.Sub(zero), at)
			}
		default:
			t.Fatalf("%d events, want %d", i, len(want))
		}
	}
	if len(events) > 0 {
		t.Errorf("%d events too many", len(events))
	}
}

const ms = time.Millisecond

func TestButtonBouncesAndRepeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		k := newKeyboard()
		events, done := watched(ctx, t, k)
		zero := time.Now()
		k.press()
		time.Sleep(3 * ms)
		k.release()
		time.Sleep(4 * ms)
		k.press() // 7 ms: rests
		time.Sleep(500 * ms)
		for range 20 { // the kernel's repeat, and other keys
			k.happens(event{kind: evKey, code: key, value: 2}, event{kind: evSyn}, event{kind: evKey, code: 30, value: 1}, event{kind: 2, code: key}, event{kind: evSyn})
			time.Sleep(33 * ms)
		}
		k.release() // 1167 ms
		time.Sleep(time.Second)
		expect(t, events, zero, 7*ms, 1167*ms)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// TestLateReader is about events that wait in the kernel: they are as far apart
// as they were, and a press among them is not taken for a bounce.
func TestLateReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		k := newKeyboard()
		events, done := watched(ctx, t, k)
		zero := time.Now()
		k.mu.Lock()
		for i, at := range []time.Duration{100 * ms, 300 * ms, 400 * ms, 410 * ms, 900 * ms, 6900 * ms} {
			k.queue = queued(k.queue, zero.Add(at-10*time.Second).Sub(k.began), evKey, key, int32(1-i%2))
		}
		k.notify()
		k.mu.Unlock()
		time.Sleep(time.Second)
		// All of it is older than Run: it is dated at its beginning at the earliest.
		expect(t, events, zero)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		k := newKeyboard()
		var events []hal.ButtonEvent
		zero := time.Now()
		done := make(chan error, 1)
		go func() {
			done <- k.button(t).Run(ctx, func(ev hal.ButtonEvent) {
				if events = append(events, ev); len(events) == 1 {
					time.Sleep(10 * time.Second) // busy elsewhere
				}
			})
		}()
		for i, d := range []time.Duration{100 * ms, 200 * ms, 100 * ms, 10 * ms, 490 * ms, 6000 * ms} {
			time.Sleep(d)
			k.set(i%2 == 0)
		}
		time.Sleep(10 * time.Second)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		var at []time.Duration
		for _, ev := range events {
			at = append(at, ev.At.Sub(zero).Round(ms))
		}
		if want := []time.Duration{0, 100 * ms, 300 * ms, 900 * ms, 6900 * ms}; !reflect.DeepEqual(at, want) {
			t.Errorf("events at %v, want %v", at, want)
		}
	})
}

func TestLostEvents(t *testing.T) {
	lost := []event{{kind: evSyn, code: synDropped}, {kind: evKey, code: key, value: 1}, {kind: evSyn, code: synReport}}
	synctest.Test(t, func(t *testing.T) {
		k := newKeyboard()
		events, done := watched(t.Context(), t, k)
		zero := time.Now()
		k.happens(lost...) // what came between the two is not to be believed
		time.Sleep(time.Second)
		expect(t, events, zero)
		k.mu.Lock()
		k.down = true
		k.mu.Unlock()
		k.happens(lost...)
		time.Sleep(time.Second)
		expect(t, events, zero, 1000*ms)
		k.happens(lost...)
		if err := <-done; err == nil || !strings.Contains(err.Error(), "lost during a press") {
			t.Errorf("err %v", err)
		}
		expect(t, events, zero)
	})
}

func TestUnplugged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKeyboard()
		events, done := watched(t.Context(), t, k)
		k.press()
		zero := time.Now()
		time.Sleep(time.Second)
		k.unplug(unix.ENODEV)
		if err := <-done; !errors.Is(err, unix.ENODEV) {
			t.Errorf("err %v", err)
		}
		expect(t, events, zero, 0) // and no release
		k.unplug(nil)
		k.down = false
		ctx, cancel := context.WithCancel(t.Context())
		events, done = watched(ctx, t, k)
		zero = time.Now()
		k.press()
		time.Sleep(time.Second)
		expect(t, events, zero, 0)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestOpenButtonFails(t *testing.T) {
	for _, cfg := range []ButtonConfig{{}, {Device: "x"}, {Key: 116}, {Device: "[", Key: 116}, {Device: "x", Key: keyCodes}} {
		if _, err := OpenButton("b", cfg); err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%+v: err %v", cfg, err)
		}
	}
	if _, err := OpenButton("b", ButtonConfig{Device: "heptap no such device", Key: 116}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("err %v", err)
	}
}

func TestList(t *testing.T) {
	class := t.TempDir()
	for dir, name := range map[string]string{"event1": "Power Button", "event0": "gpio-keys", "mouse0": "not an event device"} {
		dir = filepath.Join(class, dir, "device")
		if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, "name"), []byte(name+"\n"), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(class, "event2"), 0o755); err != nil { // going away
		t.Fatal(err)
	}
	got, err := list(class)
	want := []Device{{"/dev/input/event0", "gpio-keys"}, {"/dev/input/event1", "Power Button"}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := List(); err != nil {
		t.Error(err)
	}
}

// FuzzDecode checks that every whole event is decoded, and to what it was.
func FuzzDecode(f *testing.F) {
	f.Add(queued(queued(nil, time.Hour+5*time.Microsecond, evKey, key, 1), 0, evSyn, synDropped, 0))
	f.Add([]byte{1, 2, 3})
	f.Fuzz(func(t *testing.T, b []byte) {
		events := decode(nil, b)
		if len(events) != len(b)/eventBytes {
			t.Fatalf("%d events of %d octets", len(events), len(b))
		}
		for i, e := range events {
			raw := b[i*eventBytes : (i+1)*eventBytes]
			if long(raw) > 1e9 || long(raw[longBytes:]) >= 1e6 {
				continue // no clock says this
			}
			if again := queued(nil, e.at, e.kind, e.code, e.value); string(again) != string(raw) {
				t.Fatalf("event %+v is % x, was % x", e, again, raw)
			}
		}
	})
}

// A press is not dated before it was, however late the process ran between the
// readings of the two clocks.
func TestMonotonic(t *testing.T) {
	for range 10000 {
		now, base := monotonic()
		before := time.Now()
		if at := now.Add(kernelClock() - base); at.Before(before) {
			t.Fatalf("%v too early", before.Sub(at))
		}
	}
}
