package correlate

import (
	"math"
	"strconv"
	"strings"
	"time"

	"heptap/capture"
	"heptap/capture/media"
	"heptap/capture/record"
	"heptap/capture/sdp"
)

// kind of a report, as Homer's TYPE says it.
type kind uint8

const (
	periodic kind = iota
	final
)

// score is the quality of one stretch of a stream.
type score struct {
	r, mos, lossPercent float64
	jitter              int64   // mean, ns
	weight              float64 // packets expected
}

// quality rates the stream since a snapshot. A codec that carries no speech is
// not rated: its score is zero.
func (t *stream) quality(since *media.Mark) score {
	percent, burst := t.last.LossSince(since)
	q := score{lossPercent: percent, jitter: jitterSince(&t.last, since), weight: float64(max(1, less(t.last.Expected, since.Expected)))}
	if k := t.codecNow(); k.speech() {
		q.r, q.mos = media.Quality(string(k.name[:k.n]), percent, burst, 0, time.Duration(q.jitter))
	}
	return q
}

// jitterSince estimates the mean jitter between two snapshots from their means
// since the start, taking packets for samples.
func jitterSince(last *seen, since *media.Mark) int64 {
	n := less(last.Packets, since.Packets)
	if since.Packets == 0 || n == 0 {
		return int64(last.MeanJitter)
	}
	mean := float64(last.MeanJitter) + (float64(last.MeanJitter)-float64(since.MeanJitter))*float64(since.Packets)/float64(n)
	return int64(min(max(mean, 0), float64(last.MaxJitter)))
}

// less returns a - b, or 0 where a late packet has taken back what b counted.
func less[N uint32 | uint64](a, b N) int64 {
	if a < b {
		return 0
	}
	return int64(a - b)
}

// speech tells audio from video by what SDP says, or by the clock, which is 90
// kHz for the latter (RFC 3551 5), and from telephone-events and comfort noise.
func (k *codec) speech() bool {
	name := string(k.name[:k.n])
	return (k.kind == sdp.Audio || k.clock != 90000 && k.kind != sdp.Video) && !strings.EqualFold(name, "telephone-event") && !strings.EqualFold(name, "CN")
}

// scores sums up the intervals of a stream. There are scores for each stream, and what
// is said of them has two digits.
type scores struct {
	n                    uint32
	minMOS, minR         float32
	sumMOS, sumR, weight float32
}

// note adds an interval for the smallest and the mean.
func (s *scores) note(q score) {
	if q.mos == 0 {
		return
	}
	if mos := float32(q.mos); s.n == 0 || mos < s.minMOS {
		s.minMOS, s.minR = mos, float32(q.r)
	}
	s.n++
	s.sumMOS += float32(q.mos * q.weight)
	s.sumR += float32(q.r * q.weight)
	s.weight += float32(q.weight)
}

// report emits one report on what the stream has done since a snapshot, for
// the call k, or under an id of the stream's own when k is nil.
func (c *Correlator) report(t *stream, k *call, kd kind, since *media.Mark, q score, all *scores) {
	var primary []byte
	c.links = c.links[:0]
	if k != nil {
		primary = k.id
		for _, o := range t.calls {
			if o != k {
				c.links = append(c.links, record.Link{Type: record.SIP, How: record.Flow, ID: o.id})
			}
		}
	} else {
		c.id = appendFlowID(append(c.id[:0], "rtp:"...), t.last.flow())
		c.id = append(append(c.id, ':'), ssrcHex(t.last.SSRC)...)
		primary = c.id
	}
	class := record.Periodic
	if kd == final {
		class = record.Final
		c.Stats.ReportsFinal.Add(1)
	} else {
		c.Stats.ReportsPeriodic.Add(1)
	}
	c.payload = t.appendReport(c.payload[:0], primary, k, kd, since, q, all)
	s := &t.last
	c.rec = record.Record{
		Type: record.RTPReport, Class: class, Wall: s.LastWall, Mono: s.LastMono,
		Flow: s.flow(), HasVLAN: s.HasVLAN, VLAN: s.VLAN, TOS: s.TOS,
		MOS: uint16(math.Round(q.mos * 100)), R: uint16(math.Round(q.r)),
		Primary: primary, Links: c.links, Payload: c.payload,
	}
	c.cfg.Emit(&c.rec)
}

func ssrcHex(ssrc uint32) []byte {
	const hex = "0123456789abcdef"
	var b [8]byte
	for i := range b {
		b[i] = hex[ssrc>>(28-4*i)&15]
	}
	return b[:]
}

// appendReport appends the report in the form Homer charts (HEP type 34; the
// keys are those of hepgen's full report). Times are milliseconds. Loss is the
// packets that never came, whatever came twice.
func (t *stream) appendReport(b []byte, primary []byte, k *call, kd kind, since *media.Mark, q score, all *scores) []byte {
	s := &t.last
	o := object{append(b, '{')}
	o.bytes("CORRELATION_ID", primary)
	o.bytes("RTP_SIP_CALL_ID", primary)
	o.text("TYPE", [...]string{"PERIODIC", "FINAL"}[kd])
	o.float("REPORT_TS", float64(s.LastWall)/1e9)
	start := s.FirstWall
	if since.Packets > 0 {
		start = since.LastWall
	}
	o.float("REPORT_START", float64(start)/1e9)
	o.float("REPORT_END", float64(s.LastWall)/1e9)
	o.key("SSRC")
	o.b = append(append(append(o.b, `"0x`...), ssrcHex(s.SSRC)...), '"')
	t.appendCounts(&o, since, q)
	t.appendBursts(&o, since)
	t.appendTimes(&o, kd, q, all)
	t.appendEnds(&o)
	if k != nil {
		t.appendCall(&o, k, kd)
	}
	return append(o.b, '}')
}

func (t *stream) appendCounts(o *object, since *media.Mark, q score) {
	s := &t.last
	o.int("TL_BYTE", less(s.Octets, since.Octets))
	o.int("TOTAL_PK", less(s.Packets, since.Packets))
	o.int("EXPECTED_PK", less(s.Expected, since.Expected))
	o.int("PACKET_LOSS", less(s.Missing, since.Missing))
	o.float("PACKET_LOSS_PERCENT", q.lossPercent)
	o.int("LOSS_EVENTS", less(s.LossEvents, since.LossEvents))
	o.int("DUPLICATES", less(s.Duplicates, since.Duplicates))
	o.int("OUT_ORDER", less(s.Reordered, since.Reordered))
	o.int("SEQ", less(s.Strays, since.Strays)) // sequence errors: numbers that fit nowhere
	o.int("SSRC_CHG", 0)                       // a new SSRC is a new stream here
	if n := less(s.Copies, since.Copies); n > 0 {
		o.int("COPIES", n) // by the mirror; in no other count
		o.float("COPY_LAG", ms(int64(s.CopyLagMean)))
		o.float("MAX_COPY_LAG", ms(int64(s.CopyLagMax)))
	}
}

// appendBursts appends RFC 3611 4.7.2's metrics: densities in percent, mean
// durations in milliseconds, by the mean time between two packets. The gaps are
// one more than the bursts: before, between and after them.
func (t *stream) appendBursts(o *object, since *media.Mark) {
	s := &t.last
	expected, n := less(s.Expected, since.Expected), less(s.Bursts, since.Bursts)
	if expected == 0 {
		return
	}
	numbers := min(less(s.BurstNumbers, since.BurstNumbers), expected)
	missing := min(less(s.BurstMissing, since.BurstMissing), numbers)
	rest := expected - numbers
	start := s.FirstMono
	if since.Packets > 0 {
		start = since.LastMono
	}
	each := ms(s.LastMono-start) / float64(expected)
	percent := func(part, of int64) float64 { return 100 * float64(part) / float64(max(of, 1)) }
	o.float("BURST_DENSITY", percent(missing, numbers))
	o.float("GAP_DENSITY", percent(min(max(less(s.Missing, since.Missing)-missing, 0), rest), rest))
	o.float("BURST_DURATION", each*float64(numbers)/float64(max(n, 1)))
	o.float("GAP_DURATION", each*float64(rest)/float64(n+1))
	o.int("BURSTS", n)
}

func (t *stream) appendTimes(o *object, kd kind, q score, all *scores) {
	s := &t.last
	delta, jitter := s.IntervalMaxDelta, int64(s.IntervalMaxJitter)
	if kd == final {
		delta, jitter = s.MaxDelta, int64(s.MaxJitter)
	}
	o.float("DELTA", float64(delta)/1000)
	o.float("MAX_DELTA", float64(s.MaxDelta)/1000)
	o.float("JITTER", ms(int64(s.Jitter)))
	o.float("MEAN_JITTER", ms(q.jitter))
	o.float("MAX_JITTER", ms(jitter))
	o.float("SKEW", float64(s.Skew)/1000)
	o.float("MAX_SKEW", float64(s.MaxSkew)/1000)
	if q.mos == 0 {
		return
	}
	low, mean := q, q
	if all.n > 0 {
		low.mos, low.r = float64(all.minMOS), float64(all.minR)
		mean.mos, mean.r = float64(all.sumMOS/all.weight), float64(all.sumR/all.weight)
	}
	o.float("MOS", q.mos)
	o.float("MIN_MOS", low.mos)
	o.float("MEAN_MOS", mean.mos)
	o.float("RFACTOR", q.r)
	o.float("MIN_RFACTOR", low.r)
	o.float("MEAN_RFACTOR", mean.r)
}

func ms(ns int64) float64 { return float64(ns) / 1e6 }

func (t *stream) appendEnds(o *object) {
	f := t.last.flow()
	o.addr("SRC_IP", "SRC_PORT", f.Src)
	o.addr("DST_IP", "DST_PORT", f.Dst)
	if e := &t.last.ethernet; *e != (capture.Ethernet{}) {
		o.hardware("SRC_MAC", e.Src)
		o.hardware("DST_MAC", e.Dst)
	}
	o.int("CODEC_PT", int64(t.last.PayloadType))
	k := t.codecNow()
	if k.n == 0 {
		k = newCodec(k.pt, "unknown", k.clock)
	}
	o.bytes("CODEC_NAME", k.name[:k.n])
	o.text("MEDIA", k.media())
	o.int("CLOCK", int64(k.clock))
	o.int("DIR", int64(t.sender))
	o.int("PARTY", int64(t.sender))
	o.key("REPORT_NAME")
	o.b = append(o.b, '"')
	o.b = f.Src.Addr().AppendTo(o.b)
	o.b = strconv.AppendUint(append(o.b, ':'), uint64(f.Src.Port()), 10)
	o.b = append(o.b, '"')
}

// media is what kind of media a codec is for.
func (k *codec) media() string {
	switch {
	case k.kind != sdp.Other:
		return k.kind.String()
	case k.clock == 90000:
		return "video"
	}
	return "audio"
}

// appendCall appends what only the call's SDP or its other streams tell.
func (t *stream) appendCall(o *object, k *call, kd kind) {
	s := &t.last
	secure := t.secure(k)
	if secure {
		o.key("SRTP")
		o.b = append(o.b, "true"...)
	}
	ends := t.ends()
	if e, ok := k.codec(ends.dst, ends.src, s.EventType); ok && s.Events > 0 && !secure && e.clock > 0 &&
		strings.EqualFold(string(e.name[:e.n]), "telephone-event") {
		o.int("DTMF_EVENTS", int64(s.Events))
		o.float("DTMF_DURATION", 1000*float64(s.EventUnits)/float64(e.clock))
	}
	if kd == final {
		one := int64(0)
		if k.isOneWay(t) {
			one = 1
		}
		o.int("ONE_WAY_RTP", one)
	}
}

// secure says whether all that the call advertised of the stream's ends is for
// SRTP.
func (t *stream) secure(k *call) bool {
	found, ends := false, t.ends()
	for _, b := range k.bindings {
		if b.takes(ends.dst, false) || b.takes(ends.src, false) {
			if !b.secure {
				return false
			}
			found = true
		}
	}
	return found
}
