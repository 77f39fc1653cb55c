package mirror

import (
	"fmt"
	"strconv"
	"time"
)

// AppendText appends what was seen, in a sentence with its numbers, for the
// one who set the switch up.
func (v *Verdict) AppendText(b []byte) []byte {
	n := v.value
	switch v.Kind {
	case NoLink:
		return append(b, "the port has no link"...)
	case NoFrames:
		if n(factBefore) == 0 {
			return fmt.Appendf(b, "link, but not one frame in %s", v.window())
		}
		return fmt.Appendf(b, "no frame for %s, after %s before", v.window(), count(n(factBefore), "frame"))
	case NotMirror:
		b = fmt.Appendf(b, "this port is not a mirror port: %s in %s, ", count(n(factFrames), "frame"), v.window())
		if k := n(factUnicast); k > 0 {
			b = fmt.Appendf(b, "only %d between two other hosts", k)
		} else {
			b = append(b, "none between two other hosts"...)
		}
		if n(factBefore) > 0 {
			b = append(b, "; before that there were some"...)
		}
		return b
	case OneDirection:
		return fmt.Appendf(b, "one direction only: %d of %s are seen one way", n(factOneWay), count(n(factOneWay)+n(factBoth), "conversation"))
	case SomeOneWay:
		return fmt.Appendf(b, "%d of %s are seen one way", n(factOneWay), count(n(factOneWay)+n(factBoth), "conversation"))
	case CutFrames:
		return fmt.Appendf(b, "frames cut short: %d of %s in %s lack their end", n(factCut), count(n(factDecoded), "packet"), v.window())
	case Drops:
		return v.appendDrops(b)
	case CommonDrops:
		return v.appendCommon(b)
	case Doubled:
		b = append(append(b, v.twice()...), ": "...)
		return fmt.Appendf(b, "%d of %s are copies, %s after the original on average", n(factCopies), count(n(factChecked), "packet"), micros(n(factLag)))
	case SIPWithoutRTP:
		if n(factRTP) == 0 {
			return fmt.Appendf(b, "SIP without RTP: %s answered, and not one RTP packet", count(n(factCalls), "call"))
		}
		return fmt.Appendf(b, "SIP without RTP: %d of %s have no media here", n(factSilent), count(n(factCalls), "answered call"))
	case RTPWithoutSIP:
		return fmt.Appendf(b, "RTP without SIP: %s began in %s, and not one SIP message", count(n(factStreams), "stream"), v.window())
	case RingDrops:
		return fmt.Appendf(b, "this box was too slow for %d of %s (%s): not the mirror's fault", n(factDrops), count(n(factFrames), "frame"), percent(n(factDrops), n(factFrames)))
	case TLSOnly:
		b = fmt.Appendf(b, "signalling is encrypted: %s of TLS on port 5061 and no plain SIP in %s", count(n(factSIPTLS), "segment"), v.window())
		if n(factRTP) > 0 {
			b = fmt.Appendf(b, "; media is seen (%s)", count(n(factRTP), "RTP packet"))
		}
		return b
	case Unread:
		return v.appendShares(b, "not understood: ", factFrames)
	case Giants:
		return fmt.Appendf(b, "%s longer than 2,048 octets in %s: this box merges frames, or they are jumbos", count(n(factGiant), "frame"), v.window())
	case Encapsulated:
		return v.appendShares(b, "packets come wrapped: ", factDecoded)
	case Healthy:
		b = append(b, "the mirror is good: "...)
		return v.appendSeen(b)
	case TooEarly:
		b = append(b, "not enough seen to judge the mirror: "...)
		return v.appendSeen(b)
	}
	return append(b, v.Kind.String()...)
}

func (v *Verdict) appendDrops(b []byte) []byte {
	n := v.value
	if k := n(factUnseen); k > 0 {
		were := "were"
		if k == 1 {
			were = "was"
		}
		return fmt.Appendf(b, "the mirror drops %s: %s %s acknowledged that we never saw", percent(k, k+n(factSeen)), count(k, "segment"), were)
	}
	missed := n(factMissing) - min(n(factMissing), n(factReported))
	return fmt.Appendf(b, "the mirror drops %s: of %s compared, %d lost packets here that their receivers got; we missed %d, they %d",
		percent(missed, n(factExpected)), count(n(factPairs), "stream"), n(factPairsMirror), n(factMissing), n(factReported))
}

func (v *Verdict) appendCommon(b []byte) []byte {
	n := v.value
	b = append(b, "common loss in all streams: mirror or shared link; "...)
	if k := n(factCommon); k >= commonLeast {
		return fmt.Appendf(b, "in %d of %s nearly every stream lost packets, %d in all", k, count(n(factInstants), "moment"), n(factLost))
	}
	return fmt.Appendf(b, "%s lost, evenly over %s", count(n(factLost), "packet"), percent(n(factLossy), n(factIntervals))+" of all stream intervals")
}

// appendShares appends all facts but the first, which is the whole of which
// they are parts.
func (v *Verdict) appendShares(b []byte, lead, whole string) []byte {
	b = append(b, lead...)
	all := v.value(whole)
	first := true
	for _, f := range v.Facts() {
		if f.Name == whole {
			continue
		}
		if !first {
			b = append(b, ", "...)
		}
		first = false
		b = fmt.Appendf(b, "%s %s", f.Name, percent(f.Value, all))
	}
	if first {
		b = append(b, "frames that have no name"...)
	}
	return b
}

func (v *Verdict) appendSeen(b []byte) []byte {
	n := v.value
	b = fmt.Appendf(b, "%s in %s, %d between other hosts, %d of %s both ways", count(n(factFrames), "frame"), v.window(), n(factUnicast),
		n(factBoth), count(n(factBoth)+n(factOneWay), "conversation"))
	if k := n(factSeen); k > 0 && v.Kind == Healthy {
		b = fmt.Appendf(b, "; %s followed without proof of loss", count(k, "segment"))
	}
	return b
}

// AppendAdvice appends what to check, empty if there is nothing to.
func (v *Verdict) AppendAdvice(b []byte) []byte { return append(b, v.advice()...) }

func (v *Verdict) advice() string {
	switch v.Kind {
	case NoLink:
		return "check the cable, and that the switch port is not shut down"
	case NoFrames:
		return "check that the mirror session is on, has source ports, and has this port as its destination"
	case NotMirror:
		return "make this port the destination of a mirror session; on most switches it must not be an access port too"
	case OneDirection:
		return "set the mirror session's sources to both directions (rx and tx), or add the port the answers take"
	case SomeOneWay:
		return "if some source ports are mirrored in one direction, set them to both; routes that differ by direction look the same"
	case CutFrames:
		return "switch off truncation in the mirror session; for a tunnelled one raise the MTU on its way"
	case Drops:
		return "mirror fewer ports or VLANs, or use a faster destination port: rx and tx of one port can be twice its speed"
	case CommonDrops:
		return "look at the output drops of the mirror's destination port, then at the link all these calls share"
	case Doubled:
		return "mirror rx only if both ends of the traffic are sources, or one VLAN and not its ports as well; copies are dropped here"
	case SIPWithoutRTP:
		return "media takes another way: add the ports or the VLAN of phones, gateways and media servers to the sources"
	case RTPWithoutSIP:
		return "signalling takes another way: add the port of the proxy or PBX to the sources"
	case RingDrops:
		return "filter what is not voice, or give this port more rings or a faster box"
	case TLSOnly:
		return "calls can be followed only with the keys of the proxy or PBX"
	case Unread:
		return "if calls are missing, look at what these frames are; MACsec must end before the mirror"
	case Giants:
		return "switch gro and lro off on this box's interface"
	}
	return ""
}

// twice says how much of the traffic is doubled.
func (v *Verdict) twice() string {
	if v.Severity >= Warning {
		return "everything twice"
	}
	return "some of it twice"
}

// String returns the text and the advice.
func (v *Verdict) String() string {
	b := v.AppendText(nil)
	if a := v.advice(); a != "" {
		b = append(append(b, ". To do: "...), a...)
	}
	return string(b)
}

func (v *Verdict) window() string { return duration(v.Window) }

// duration prints d in whole units: "60 s", "10 min", "3 h".
func duration(d time.Duration) string {
	switch s := int64((d + time.Second/2) / time.Second); {
	case s < 120:
		return fmt.Sprintf("%d s", s)
	case s < 7200:
		return fmt.Sprintf("%d min", s/60)
	default:
		return fmt.Sprintf("%d h", s/3600)
	}
}

func micros(us uint64) string {
	if us < 1000 {
		return fmt.Sprintf("%d us", us)
	}
	return fmt.Sprintf("%.1f ms", float64(us)/1000)
}

func count(n uint64, what string) string {
	s := strconv.FormatUint(n, 10) + " " + what
	if n != 1 {
		s += "s"
	}
	return s
}

// percent prints k of n: two digits that say something.
func percent(k, n uint64) string {
	if n == 0 {
		return "0 %"
	}
	switch p := 100 * float64(k) / float64(n); {
	case p >= 10 || k == 0:
		return fmt.Sprintf("%.0f %%", p)
	case p >= .1:
		return fmt.Sprintf("%.1f %%", p)
	default:
		return fmt.Sprintf("%.2g %%", p)
	}
}
