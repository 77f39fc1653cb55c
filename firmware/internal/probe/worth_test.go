package probe

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"heptap/capture"
	"heptap/capture/capturetest"
	"heptap/capture/dissect"
	"heptap/capture/record"
)

// sipText is a request, or with a status the response to one.
func sipText(method, status string) []byte {
	first := method + " sip:x SIP/2.0"
	if status != "" {
		first = "SIP/2.0 " + status
	}
	return []byte(first + "\r\nVia: SIP/2.0/UDP x\r\nFrom: <sip:a@x>;tag=1\r\nTo: <sip:b@x>\r\nCall-ID: c\r\ncseq :  7   " + method + "\r\nContent-Length: 0\r\n\r\n")
}

// mixed is one datagram of each kind that a busy site has, with the class it is of.
func mixed() (data [][]byte, classes []record.Class) {
	add := func(class record.Class, payload []byte) {
		data = append(data, capturetest.UDP(caller, callee, payload))
		classes = append(classes, class)
	}
	for _, m := range []string{"INVITE", "ACK", "BYE", "CANCEL", "UPDATE", "PRACK", "REFER", "INFO"} {
		add(record.Call, sipText(m, ""))
	}
	for _, s := range []string{"100 Trying", "180 Ringing", "200 OK", "486 Busy Here"} {
		add(record.Call, sipText("INVITE", s))
	}
	add(record.Call, sipText("BYE", "200 OK"))
	for _, m := range []string{"REGISTER", "OPTIONS"} {
		add(record.KeepAlive, sipText(m, ""))
		add(record.KeepAlive, sipText(m, "200 OK"))
	}
	for _, m := range []string{"SUBSCRIBE", "NOTIFY", "PUBLISH", "MESSAGE"} {
		add(record.Routine, sipText(m, ""))
		add(record.Routine, sipText(m, "202 Accepted"))
	}
	rtcp := []byte{0x80, 200, 0, 6, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	data, classes = append(data, capturetest.UDP(callerMedia, calleeMedia, rtcp)), append(classes, record.Periodic)
	return data, classes
}

func TestClassOf(t *testing.T) {
	data, classes := mixed()
	frames := capturetest.Frames(time.Unix(1000, 0), 0, data...)
	w := idleWorker(1)
	for i := range frames {
		w.frame(&frames[i])
		it := &w.cur.items[len(w.cur.items)-1]
		if got := classOf(&it.packet, it.protocol); got != classes[i] || len(w.cur.items) != i+1 {
			t.Errorf("%s: %q is %v, want %v", it.protocol, it.packet.Payload, got, classes[i])
		}
	}
	for proto, want := range map[capture.Protocol]record.Class{capture.Syslog: record.Line, capture.DNS: record.Query, capture.NG: record.Query,
		capture.MI: record.Query, capture.HEP: record.Call, capture.UDPTL: record.Call} {
		if got := classOf(&capture.Packet{}, proto); got != want {
			t.Errorf("%v is %v, want %v", proto, got, want)
		}
	}
	for _, odd := range []string{"", "\r\n", "SIP/2.0", "SIP/2.0 200 OK\r\n\r\nCSeq: 1 OPTIONS\r\n", "SIP/2.0 200 OK\r\nCSeq", "SIP/2.0 200 OK\r\nCSeq:\r\n", "SIP/2.0 200 OK\r\nCSeq: OPTIONS\r\n",
		"SIP/2.0 200 OK\r\nCSeq: 1 INVITE\r\nX: OPTIONS\r\n", "OPTIONSX sip:x SIP/2.0", strings.Repeat("O", 99), "SIP/2.0 200 OK\r\n" + strings.Repeat("X: y\r\n", 1000) + "CSeq: 1 OPTIONS\r\n"} {
		if got := sipClass([]byte(odd)); got != record.Call {
			t.Errorf("%q is %v", odd, got)
		}
	}
	if got := sipClass([]byte("\r\n\r\nOPTIONS sip:x SIP/2.0\r\n")); got != record.KeepAlive {
		t.Errorf("behind empty lines: %v", got)
	}
}

// TestLeastWorthGoesFirst has the merge stand still while mixed traffic comes. Classes are left out
// one after the other in the order that is configured; of calls nothing is missing until nothing else
// is taken; and every datagram is in the queue or counted.
func TestLeastWorthGoesFirst(t *testing.T) {
	data, classes := mixed()
	frames := capturetest.Frames(time.Unix(1000, 0), 0, data...)
	for name, order := range map[string][]record.Class{"default": nil, "another": {record.Routine, record.Periodic, record.KeepAlive}, "none": {}} {
		t.Run(name, func(t *testing.T) {
			w := idleWorker(1)
			w.worth = newWorth(order)
			var fed [record.NumClasses]uint64
			var first []record.Class // in which classes were left out
			for range 2 * queueDepth * batchItems / len(frames) {
				for i := range frames {
					before := w.tally
					w.frame(&frames[i])
					fed[classes[i]]++
					for c := range before.shed {
						if w.tally.shed[c] != before.shed[c] && !slices.Contains(first, record.Class(c)) {
							first = append(first, record.Class(c))
						}
					}
					if w.tally.shed[classes[i]] == before.shed[classes[i]] && slices.Contains(first, classes[i]) {
						t.Fatalf("%v taken again while the queue only fills", classes[i])
					}
				}
			}
			w.tally.publish(&w.counters)
			want := order
			if order == nil {
				want = []record.Class{record.Periodic, record.KeepAlive, record.Routine} // what there is, in record.ShedOrder
			}
			if !slices.Equal(first, want) {
				t.Errorf("left out in the order %v, want %v", first, want)
			}
			held := queued(w)
			for c := range fed {
				lost := fed[c] - held[c] - w.counters.Shed[c].Load()
				if c != int(record.Call) && slices.Contains(want, record.Class(c)) && lost != 0 {
					t.Errorf("%v: of %d are %d queued and %d left out", record.Class(c), fed[c], held[c], w.counters.Shed[c].Load())
				}
				fed[c] = lost
			}
			if n := sum(fed[:]); n != w.counters.QueueDrops.Load() {
				t.Errorf("%d are nowhere, and %d found no room", n, w.counters.QueueDrops.Load())
			}
			calls, all := held[record.Call], sum(held[:])
			t.Logf("queued by class: %v; left out: %v; no room: %d", held, shedBy(&w.counters), w.counters.QueueDrops.Load())
			if order == nil && calls*10 < all*6 { // half of what came
				t.Errorf("%d of %d that are queued are of calls", calls, all)
			}
			drain(w)
			w.frame(&frames[len(frames)-1])
			if before := w.counters.Shed[record.Periodic].Load(); w.tally.shed[record.Periodic] != 0 {
				t.Errorf("left out with an empty queue, after %d", before)
			}
		})
	}
}

// A merge that is slow, not still: as much as it takes of calls comes through, and calls that
// are within its pace are complete.
func TestCallsCompleteBehindSlowMerge(t *testing.T) {
	w := idleWorker(1)
	call := capturetest.UDP(caller, callee, sipText("INVITE", ""))
	keep := capturetest.UDP(caller, callee, sipText("OPTIONS", "200 OK"))
	frames := capturetest.Frames(time.Unix(1000, 0), 0, call, keep)
	var took [record.NumClasses]uint64
	const rounds = 5000
	for round := range rounds {
		for range 20 { // 20 % of calls
			w.frame(&frames[0])
		}
		for range 80 {
			w.frame(&frames[1])
		}
		w.afterRead(100)
		if round%2 == 0 && len(w.full) > 0 { // 64 of every 100
			b := <-w.full
			for i := range b.items {
				took[classOf(&b.items[i].packet, b.items[i].protocol)]++
			}
			b.reset()
			w.free <- b
		}
	}
	held := queued(w)
	if got := took[record.Call] + held[record.Call]; got != 20*rounds || w.counters.QueueDrops.Load() != 0 {
		t.Errorf("%d of %d messages of calls, %d had no room", got, 20*rounds, w.counters.QueueDrops.Load())
	}
	shed := w.counters.Shed[record.KeepAlive].Load()
	if got := took[record.KeepAlive] + held[record.KeepAlive] + shed; got != 80*rounds {
		t.Errorf("%d keep-alives, want %d", got, 80*rounds)
	}
	if shed < 30*rounds || took[record.KeepAlive] < 30*rounds {
		t.Errorf("%d keep-alives left out, and %d taken", shed, took[record.KeepAlive])
	}
	t.Logf("took %v; left out %d keep-alives of %d", took, shed, 80*rounds)
}

// A replay, and a worker that ends, wait for room.
func TestNothingLeftOutWhileWaiting(t *testing.T) {
	w := idleWorker(1)
	data, classes := mixed()
	frames := capturetest.Frames(time.Unix(1000, 0), 0, data...)
	w.wait = true
	for range queueDepth * batchItems / len(frames) / 2 {
		for i := range frames {
			w.frame(&frames[i])
		}
	}
	if len(w.full) < shedFrom || w.tally.shed != [record.NumClasses]uint32{} {
		t.Errorf("%d batches of %v wait, %v left out", len(w.full), classes[0], w.tally.shed)
	}
}

func TestLeavingOutAllocatesNothing(t *testing.T) {
	w := idleWorker(1)
	w.beside = dissect.Control
	data, _ := mixed()
	frames := capturetest.Frames(time.Unix(1000, 0), 0, data...)
	for len(w.full) < queueDepth-1 {
		for i := range frames {
			w.frame(&frames[i])
		}
	}
	for range 2 * batchItems {
		w.frame(&frames[0])
	}
	if n := testing.AllocsPerRun(100, func() {
		for i := range frames {
			w.frame(&frames[i])
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func queued(w *worker) (held [record.NumClasses]uint64) {
	count := func(b *batch) {
		for i := range b.items {
			held[classOf(&b.items[i].packet, b.items[i].protocol)]++
		}
	}
	for range len(w.full) {
		b := <-w.full
		count(b)
		w.full <- b
	}
	count(w.cur)
	return held
}

func drain(w *worker) {
	for len(w.full) > 0 {
		b := <-w.full
		b.reset()
		w.free <- b
	}
}

func sum(n []uint64) (all uint64) {
	for _, v := range n {
		all += v
	}
	return all
}

func shedBy(c *Counters) string {
	var b strings.Builder
	for i := range c.Shed {
		if n := c.Shed[i].Load(); n > 0 {
			fmt.Fprintf(&b, "%v %d ", record.Class(i), n)
		}
	}
	return b.String()
}

func BenchmarkClassOf(b *testing.B) {
	p := &capture.Packet{Payload: sipText("OPTIONS", "200 OK")}
	for b.Loop() {
		classOf(p, capture.SIP)
	}
}

func FuzzSIPClass(f *testing.F) {
	f.Add(sipText("OPTIONS", "200 OK"))
	f.Add(sipText("INVITE", ""))
	f.Add([]byte("SIP/2.0 200 OK\nCSeq : 1\tREGISTER\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if c := sipClass(b); c != record.Call && c != record.KeepAlive && c != record.Routine {
			t.Fatal(c)
		}
	})
}
