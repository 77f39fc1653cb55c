package probe

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"heptap/capture/mirror"
	"heptap/capture/neighbour"
	"heptap/capture/stream"
)

// judgement judges one mirror port, once a second, on the merge's goroutine.
type judgement struct {
	name    string
	port    uint8
	link    func() mirror.Link // nil: not known
	workers []*worker          // all that read the port
	tallies []*mirror.Tally    // theirs
	others  []*mirror.Tally    // of the other ports
	judge   *mirror.Judge

	neighbours *neighbour.Table

	mu       sync.Mutex
	verdicts []mirror.Verdict // guarded by mu, as is report
	report   []byte
}

// judgeStep is how often ports are judged.
const judgeStep = int64(time.Second)

// judge judges all ports, if it is time. When replaying, workers say when: they
// are ahead of the merge, and what they have counted by now is of later frames.
func (p *Probe) judge(mono int64) {
	if p.cfg.Replay || mono < p.judged {
		return
	}
	p.judged = mono + judgeStep
	for _, j := range p.ports {
		s := &p.sample
		j.gather(s)
		p.observe(j, mono, s)
	}
}

// takeSample judges the port of a replaying worker by what that knew.
func (p *Probe) takeSample(w *worker, mono int64, s *mirror.Sample) {
	for _, j := range p.ports {
		if slices.Contains(j.workers, w) {
			p.observe(j, mono, s)
		}
	}
}

// observe adds to s what is known behind the workers, and judges.
func (p *Probe) observe(j *judgement, mono int64, s *mirror.Sample) {
	st := p.assembly.Stats(p.portCount())
	p.correlator.Evidence(j.port, s)
	n := min(j.port, stream.MaxPorts-1)
	t := &st.Stream.Ports[n]
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

// portCount is more than the largest index of a port.
func (p *Probe) portCount() int {
	n := 0
	for _, j := range p.ports {
		n = max(n, int(j.port)+1)
	}
	return n
}

// gather fills s with what the port's workers count now.
func (j *judgement) gather(s *mirror.Sample) {
	*s = mirror.Sample{}
	if j.link != nil {
		s.Link = j.link()
	}
	var unread []Unread
	for _, w := range j.workers {
		unread = w.addTo(s, unread)
	}
	name(s, unread)
	mirror.Collect(s, j.tallies, j.others)
}

// addTo adds what w counts to s, and to the counts by name.
func (w *worker) addTo(s *mirror.Sample, unread []Unread) []Unread {
	src, c := w.source.Stats(), &w.counters
	decoded := c.Decoded.Load()
	received := src.KernelDrops + decoded
	for r := range c.Dropped {
		received += c.Dropped[r].Load()
	}
	if !w.replay { // a file's source may have read on
		received = max(received, src.Received)
	}
	s.Received += received
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
	return unread
}

// name fills in the names of what is not read, the most frequent first.
func name(s *mirror.Sample, unread []Unread) {
	slices.SortFunc(unread, func(a, b Unread) int { return cmp.Compare(b.Frames, a.Frames) })
	for i := range unread[:min(len(unread), mirror.MaxNamed)] {
		s.UnreadByName[i] = mirror.Named(unread[i])
	}
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

	Neighbours neighbour.Counters
}

// Neighbours are the devices that presented themselves on one mirror port.
type Neighbours struct {
	Port     string
	Found    []neighbour.Neighbour
	Counters neighbour.Counters
}

// Neighbours returns those of each port at the time now of the sources' clock. It
// may be called from any goroutine.
func (p *Probe) Neighbours(now int64) (all []Neighbours) {
	for _, j := range p.ports {
		n := Neighbours{Port: j.name}
		n.Found, n.Counters = j.neighbours.Snapshot(now)
		all = append(all, n)
	}
	return all
}

func (j *judgement) stats() PortStats {
	j.mu.Lock()
	defer j.mu.Unlock()
	return PortStats{Name: j.name, Verdicts: slices.Clone(j.verdicts), Report: string(j.report), Neighbours: j.neighbours.Counters()}
}
