package mirror_test

import (
	"math"
	"math/rand/v2"
	"time"

	"heptap/capture/mirror"
)

const second = int64(time.Second)

// site is a simulated site behind a mirror port: phones that register, calls
// with two RTP streams and RTCP each, TCP connections, and the noise of a LAN.
// Packets are lost before the mirror point, in the mirror, or behind it; what
// the evidence says follows from that alone, through the package's own
// LossPair and CommonLoss.
type site struct {
	rng *rand.Rand

	// The site.
	phones      int
	callRate    float64 // calls that begin in a second
	callSeconds float64 // mean length
	tcp         int     // connections
	tcpRate     float64 // segments a second on each
	register    int     // seconds between a phone's registrations
	otherOneWay int     // syslog, muted phones and the like
	asymmetric  float64 // share of conversations with a way back that is not mirrored
	deaf        float64 // share of phones whose RTCP never reports loss
	silent      float64 // share of calls whose media goes another way
	noSIP, tls  bool    // signalling is not mirrored, or encrypted
	night       func(t int) bool

	// The network.
	lossy       float64 // share of streams with loss before the mirror point
	loss        float64 // mean loss of these; exponentially distributed
	behind      float64 // mean loss of all streams behind the mirror point
	burst       int     // packets lost at once, before the mirror point
	sharedEvery float64 // shared bursts a second
	sharedMost  float64 // share of streams that one hits
	copies      float64 // share of packets that come twice
	pathChange  int     // second in which one connection goes another way for a moment

	// The mirror, and we.
	flooded    bool    // no mirror at all
	oneWay     bool    // one direction
	drop       float64 // share of packets it drops, at random
	overload   float64 // bursts of drops a second; each drops a third of what comes
	cut        float64 // share of frames it cuts
	ringDrops  func(t int) bool
	link       mirror.Link
	encap      int // bit that all packets carry; -1 for none
	disconnect bool

	t       int
	s       mirror.Sample
	common  *mirror.CommonLoss
	streams []*leg
	calls   []int // when each answered call is due to be judged
	lossyTC map[int]bool
}

// leg is one RTP stream.
type leg struct {
	end, phase    int
	before, after float64
	deaf          bool
	own           mirror.OwnLoss
	report, sent  mirror.ReportedLoss
	pair          mirror.LossPair
	snapshot      mirror.OwnLoss
}

func newSite(seed uint64) *site {
	return &site{
		rng:    rand.New(rand.NewPCG(seed, 3)),
		phones: 30, callRate: .1, callSeconds: 120, tcp: 10, tcpRate: 5, register: 60, burst: 1,
		link: mirror.LinkUp, encap: -1, pathChange: -1,
		common: mirror.NewCommonLoss(0), lossyTC: map[int]bool{},
	}
}

// poisson draws a number with mean m.
func (s *site) poisson(m float64) int {
	if m <= 0 {
		return 0
	}
	if m > 50 {
		return max(0, int(m+math.Sqrt(m)*s.rng.NormFloat64()+.5))
	}
	n, p := 0, s.rng.Float64()
	if p <= 1-m {
		return 0 // 1-m is below the floor: spares most of the Exps
	}
	floor := math.Exp(-m)
	for ; p > floor; n++ {
		p *= s.rng.Float64()
	}
	return n
}

// step lets a second pass and returns the sample at its end.
func (s *site) step() *mirror.Sample {
	s.t++
	x := &s.s
	x.Link = s.link
	if s.disconnect || s.link == mirror.LinkDown {
		x.Talk = mirror.Talk{}
		return x
	}
	noise := s.poisson(1 + float64(s.phones)/20)
	x.Frames.Broadcast += uint64(noise)
	x.Frames.Multicast += uint64(s.t % 2)
	x.Received += uint64(noise) + uint64(s.t%2)
	if s.flooded {
		if s.rng.Float64() < .01 { // an address the switch has forgotten
			x.Frames.Unicast++
			x.Received++
			x.Decoded++
		}
		return x
	}
	asleep := s.night != nil && s.night(s.t)
	packets := s.signalling(asleep) + s.media(asleep) + s.connections(asleep)
	dropped := 0
	if s.ringDrops != nil && s.ringDrops(s.t) {
		dropped = 1 + packets/5
		x.KernelDrops += uint64(dropped)
	}
	if s.oneWay {
		packets /= 2
	}
	copies := s.poisson(float64(packets) * s.copies)
	x.Copies += uint64(copies)
	x.CopyLag += uint64(copies) * 150_000
	x.Checked += uint64(packets + copies)
	x.Frames.Cut += uint64(s.poisson(float64(packets) * s.cut))
	x.Received += uint64(packets + copies + dropped)
	x.Decoded += uint64(packets + copies)
	x.Frames.Unicast += uint64(packets + copies)
	if s.encap >= 0 {
		x.Encap[s.encap] += uint64(packets + copies)
	}
	s.talk(asleep)
	return x
}

func (s *site) signalling(asleep bool) int {
	n := 0
	for i := range s.phones {
		if (s.t+i*7)%s.register == 0 {
			n += 2
		}
	}
	if !asleep {
		for range s.poisson(s.callRate) {
			n += 7
			s.calls = append(s.calls, s.t+5)
			if s.rng.Float64() < s.silent {
				s.calls[len(s.calls)-1] = -s.t - 5
				continue
			}
			end := s.t + 5 + int(s.rng.ExpFloat64()*s.callSeconds)
			for range 2 {
				s.begin(end)
			}
		}
	}
	s.settleCalls()
	if s.tls {
		s.s.TLSSegments += uint64(n)
		s.s.SIPTLSSegments += uint64(n)
	} else if !s.noSIP {
		s.s.SIPRequests += uint64(n / 2)
		s.s.SIPResponses += uint64(n - n/2)
	}
	if s.noSIP {
		return 0
	}
	return n
}

func (s *site) settleCalls() {
	if s.noSIP || s.tls {
		s.calls = s.calls[:0]
	}
	left := s.calls[:0]
	for _, due := range s.calls {
		if max(due, -due) > s.t {
			left = append(left, due)
			continue
		}
		s.s.CallsWithMedia++
		if due < 0 {
			s.s.CallsSilent++
		}
	}
	s.calls = left
}

// begin adds a stream.
func (s *site) begin(end int) {
	l := &leg{end: end, phase: s.rng.IntN(10), deaf: s.rng.Float64() < s.deaf}
	if s.rng.Float64() < s.lossy {
		l.before = min(.3, s.rng.ExpFloat64()*s.loss)
	}
	l.after = min(.3, s.rng.ExpFloat64()*s.behind)
	s.streams = append(s.streams, l)
	s.s.StreamsStarted++
	if !s.noSIP && !s.tls {
		s.s.StreamsLinked++
	}
}

const pps = 50

func (s *site) media(asleep bool) int {
	shared := s.rng.Float64() < s.sharedEvery
	overload := s.rng.Float64() < s.overload
	ring := s.ringDrops != nil && s.ringDrops(s.t)
	packets := 0
	live := s.streams[:0]
	for _, l := range s.streams {
		if s.t >= l.end || asleep {
			continue
		}
		live = append(live, l)
		packets += s.second(l, shared && s.rng.Float64() < s.sharedMost, overload, ring)
	}
	s.streams = live
	s.common.Tick(int64(s.t) * second)
	s.s.Common = s.common.Totals()
	s.s.RTPPackets += uint64(packets)
	return packets
}

// second is one second of l; it returns how many packets came to us.
func (s *site) second(l *leg, shared, overload, ring bool) int {
	l.sent = l.report // what a report holds is a little old
	before := min(pps, s.burst*s.poisson(pps*l.before/float64(s.burst)))
	runs := (before + s.burst - 1) / s.burst
	if shared {
		before, runs = min(pps, before+10), runs+1
	}
	missed := s.poisson(float64(pps-before) * s.drop)
	if overload {
		missed += (pps - before) / 3
	}
	if ring {
		missed += (pps - before) / 5
	}
	missed = min(missed, pps-before)
	after := min(pps-before, s.poisson(float64(pps-before)*l.after))
	l.own.Expected += pps
	l.own.Missing += uint32(before + missed)
	l.own.Runs += uint32(runs + missed)
	l.own.KernelDrops = uint32(s.s.KernelDrops)
	l.report.Highest += pps
	if !l.deaf {
		l.report.Lost += int32(before + after)
	}
	if s.t%2 == l.phase%2 {
		s.common.Add(int64(s.t)*second, uint64(l.own.Expected-l.snapshot.Expected), uint64(l.own.Missing-l.snapshot.Missing))
		l.snapshot = l.own
	}
	if s.t%5 == l.phase%5 {
		side, c := l.pair.Add(l.own, l.sent)
		s.s.Receipts.Add(side, c)
	}
	return pps - before - missed
}

func (s *site) connections(asleep bool) int {
	rate := s.tcpRate
	if asleep {
		rate /= 50
	}
	n := s.poisson(float64(s.tcp) * rate)
	drop := s.drop
	if s.ringDrops != nil && s.ringDrops(s.t) {
		drop += .2
	}
	lost := 0
	for range s.poisson(float64(n) * drop) {
		lost++
		s.lossyTC[s.rng.IntN(max(1, s.tcp))] = true
	}
	lost = min(lost, n)
	if s.t == s.pathChange && s.tcp > 0 {
		lost += 40
		s.lossyTC[0] = true
	}
	s.s.TCP.Unseen += uint64(lost)
	s.s.TCP.Seen += uint64(n - min(n, lost))
	s.s.TCP.Connections = uint64(len(s.lossyTC))
	return 2 * n
}

func (s *site) talk(asleep bool) {
	tcp, asked := uint64(s.tcp), uint64(0)
	for i := range s.phones {
		if s.t >= s.register && (s.t+i*7)%s.register < 60 {
			asked++
		}
	}
	if s.noSIP {
		asked = 0
	}
	if s.tls {
		tcp, asked = tcp+asked, 0
	}
	if asleep {
		tcp /= 2
	}
	t := &s.s.Talk
	*t = mirror.Talk{TCPBoth: tcp, AskedBoth: asked, OtherBoth: uint64(len(s.streams) / 2), OtherOneWay: uint64(s.otherOneWay)}
	t.TCPOneWay = uint64(math.Round(float64(tcp) * s.asymmetric))
	t.TCPBoth -= t.TCPOneWay
	if s.oneWay {
		*t = mirror.Talk{TCPOneWay: tcp, AskedOneWay: asked, OtherOneWay: t.OtherBoth + t.OtherOneWay}
	}
	s.s.Hosts = uint64(s.phones + s.tcp/2)
}

// watch runs s for seconds and returns the judge. Each sample's verdicts go
// to see, if there is one.
func (s *site) watch(j *mirror.Judge, seconds int, see func(t int, all []mirror.Verdict)) {
	var room []mirror.Verdict
	if s.t == 0 {
		j.Observe(0, &mirror.Sample{Link: s.link})
	}
	for range seconds {
		j.Observe(int64(s.t+1)*second, s.step())
		if see != nil {
			room = j.Verdicts(room[:0])
			see(s.t, room)
		}
	}
}

func has(all []mirror.Verdict, k mirror.Kind) *mirror.Verdict {
	for i := range all {
		if all[i].Kind == k {
			return &all[i]
		}
	}
	return nil
}
