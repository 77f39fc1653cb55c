package probe

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"heptap/capture/mirror"
	"heptap/capture/stream"
)

// judgement judges one mirror port, once a second of packet time, on the
// merge's goroutine.
type judgement struct {
	name    string
	port    uint8
	link    func() mirror.Link // nil: not known
	workers []*worker          // all that read the port
	tallies []*mirror.Tally    // theirs
	judge   *mirror.Judge

	mu       sync.Mutex
	verdicts []mirror.Verdict // guarded by mu, as is report
	report   []byte
}

// judgeStep is how often ports are judged.
const judgeStep = int64(time.Second)

// judge judges all ports, if it is time.
func (p *Probe) judge(mono int64) {
	if mono < p.judged {
		return
	}
	p.judged = mono + judgeStep
	st := p.assembly.Stats(p.portCount())
	tcp := &st.Stream
	for _, j := range p.ports {
		s := &p.sample
		*s = mirror.Sample{}
		p.correlator.Evidence(j.port, s)
		j.frames(s)
		n := min(j.port, stream.MaxPorts-1)
		t := &tcp.Ports[n]
		s.TCP = mirror.Acked{Seen: t.DataSegments - min(t.DataSegments, t.Retransmissions), Unseen: t.AckedUnseen, Late: t.LateUnseen, Connections: t.UnseenConnections}
		c := &st.SCTP.Ports[n]
		s.SCTP = mirror.Acked{Seen: c.Data, Unseen: c.AckedUnseen, Connections: c.UnseenAssociations}
		if st.Ports != nil {
			d := &st.Ports[j.port]
			s.Checked += d.Checked
			s.Copies += d.Copies
			s.CopyLag += uint64(d.LagSum)
		}
		j.judge.Observe(mono, s)
		j.publish()
	}
}

// portCount is more than the largest index of a port.
func (p *Probe) portCount() int {
	n := 0
	for _, j := range p.ports {
		n = max(n, int(j.port)+1)
	}
	return n
}

// frames adds what the port's workers count.
func (j *judgement) frames(s *mirror.Sample) {
	if j.link != nil {
		s.Link = j.link()
	}
	var unread []Unread
	for _, w := range j.workers {
		src, c := w.source.Stats(), &w.counters
		decoded := c.Decoded.Load()
		received := src.KernelDrops + decoded
		for r := range c.Dropped {
			received += c.Dropped[r].Load()
		}
		s.Received += max(src.Received, received)
		s.KernelDrops += src.KernelDrops
		s.Decoded += decoded
		for e := range c.Encaps {
			s.Encap[e] += c.Encaps[e].Load()
		}
		for _, u := range w.unread.list() {
			s.Unread += u.Frames
			unread = add(unread, u)
		}
		s.TLSSegments += c.TLS.Load()
		s.SIPTLSSegments += c.SIPTLS.Load()
		m := w.table.Stats()
		s.RTPPackets += m.Packets
		s.Checked += m.Packets
		s.Copies += m.Copies
		s.CopyLag += m.CopyLag
	}
	slices.SortFunc(unread, func(a, b Unread) int { return cmp.Compare(b.Frames, a.Frames) })
	for i := range unread[:min(len(unread), mirror.MaxNamed)] {
		s.UnreadByName[i] = mirror.Named(unread[i])
	}
	mirror.Collect(s, j.tallies...)
}

// add adds a count to those of the same name.
func add(l []Unread, u Unread) []Unread {
	for i := range l {
		if l[i].Name == u.Name {
			l[i].Frames += u.Frames
			return l
		}
	}
	return append(l, u)
}

func (j *judgement) publish() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.verdicts = j.judge.Verdicts(j.verdicts[:0])
	j.report = j.judge.AppendReport(j.report[:0])
}

// PortStats is what is known of a mirror port as such.
type PortStats struct {
	Name     string
	Verdicts []mirror.Verdict // the worst first; none in the first second
	Report   string           // the verdicts with their evidence, for people
}

func (j *judgement) stats() PortStats {
	j.mu.Lock()
	defer j.mu.Unlock()
	return PortStats{Name: j.name, Verdicts: slices.Clone(j.verdicts), Report: string(j.report)}
}
