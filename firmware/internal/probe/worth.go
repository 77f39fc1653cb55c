package probe

import (
	"bytes"
	"slices"

	"heptap/capture"
	"heptap/capture/record"
)

// When the CPU is short the queue before the merge fills. What is worth least is then left out
// first: as soon as shedFrom batches wait the first class of the order, and with shedTo all of it. Behind
// that comes what has to be reassembled (streamShare), of which nobody knows yet what it is, and
// signalling of calls has the queue to its end. So have the counts of RTP streams: they are few, and events are
// judged by which of them come.
const (
	shedFrom = queueDepth * 3 / 8
	shedTo   = queueDepth * 23 / 32
)

// worth says from how many waiting batches on a class is left out.
type worth struct {
	at    [record.NumClasses]int
	least int // of these; below it nothing is
}

// newWorth spreads the classes of order over the queue. nil is record.ShedOrder; what is not
// named is never left out, and Call in no case.
func newWorth(order []record.Class) *worth {
	if order == nil {
		order = record.ShedOrder()
	}
	order = slices.DeleteFunc(slices.Clone(order), func(c record.Class) bool { return c == record.Call || c >= record.NumClasses })
	w := &worth{least: queueDepth + 1}
	for c := range w.at {
		w.at[c] = queueDepth + 1
	}
	for i, c := range order {
		w.at[c] = shedFrom + (shedTo-shedFrom)*i/max(len(order)-1, 1)
		w.least = min(w.least, w.at[c])
	}
	return w
}

// classOf is the class that the record of a datagram will have, as far as that shows
// without reading it. What does not show is taken for worth most.
func classOf(p *capture.Packet, proto capture.Protocol) record.Class {
	switch proto {
	case capture.RTCP:
		return record.Periodic
	case capture.Syslog:
		return record.Line
	case capture.DNS, capture.NG, capture.MI:
		return record.Query
	case capture.SIP:
		return sipClass(p.Payload)
	}
	return record.Call
}

// sipClass draws the line where the correlator does: at the method of the transaction, which a
// request begins with and a response has in CSeq.
func sipClass(b []byte) record.Class {
	b = bytes.TrimLeft(b, "\r\n")
	method, _, ok := bytes.Cut(b[:min(len(b), maxMethod)], []byte(" "))
	if bytes.HasPrefix(method, []byte("SIP/2.0")) {
		method, ok = cseqMethod(b)
	}
	if !ok {
		return record.Call
	}
	switch string(method) {
	case "REGISTER", "OPTIONS":
		return record.KeepAlive
	case "SUBSCRIBE", "NOTIFY", "PUBLISH", "MESSAGE":
		return record.Routine
	}
	return record.Call
}

const (
	maxMethod = 32      // longer ones are none of those that are told apart
	maxScan   = 4 << 10 // CSeq is sooner than that
)

// cseqMethod finds the method in the CSeq of a message (RFC 3261 20.16).
func cseqMethod(b []byte) ([]byte, bool) {
	b = b[:min(len(b), maxScan)]
	for {
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			return nil, false
		}
		b = b[i+1:]
		if len(b) < len("CSeq:") || b[0] == '\r' || b[0] == '\n' {
			return nil, false
		}
		if b[0]|0x20 != 'c' || !bytes.EqualFold(b[:4], []byte("CSeq")) {
			continue
		}
		v := bytes.TrimLeft(b[4:], " \t")
		if len(v) == 0 || v[0] != ':' {
			continue
		}
		line, _, _ := bytes.Cut(v[1:], []byte("\n"))
		line = bytes.TrimSpace(line)
		space := bytes.LastIndexAny(line, " \t")
		if space < 0 {
			return nil, false
		}
		return line[space+1:], true
	}
}

// leavesOut counts what of class is not worth handing over while as many batches wait, and says
// whether it is so.
func (w *worker) leavesOut(class record.Class) bool {
	if w.wait || len(w.full) < w.worth.at[class] {
		return false
	}
	w.tally.shed[class]++
	return true
}

// pressed says whether the merge is so far behind that what is of class is left out.
func (m *merge) pressed(class record.Class) bool {
	for _, w := range m.workers {
		if len(w.full) >= w.worth.at[class] {
			return true
		}
	}
	return false
}
