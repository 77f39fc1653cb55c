package mirror

import (
	"fmt"
	"time"
)

// Text returns the worst verdict in a sentence.
func (j *Judge) Text() string {
	var room [NumKinds]Verdict
	all := j.Verdicts(room[:0])
	if len(all) == 0 {
		return ""
	}
	return string(all[0].AppendText(nil))
}

// AppendReport appends what the console's `test span` prints: every verdict
// with its evidence and its advice, and what the port was seen to carry.
func (j *Judge) AppendReport(b []byte) []byte {
	link := [...]string{"link unknown", "no link", "link up"}[min(j.latest.Link, LinkUp)]
	b = fmt.Appendf(b, "port %s: %s, watched for %s\n", j.config.Port, link, duration(time.Duration(j.age())))
	var room [NumKinds]Verdict
	for _, v := range j.Verdicts(room[:0]) {
		b = fmt.Appendf(b, "  %-7s  ", v.Severity)
		b = v.AppendText(b)
		b = fmt.Appendf(b, "\n           %s; for %s, %d %% sure\n", v.Kind, duration(time.Duration(j.now-v.Since)), v.Confidence)
		if a := v.advice(); a != "" {
			b = fmt.Appendf(b, "           to do: %s\n", a)
		}
	}
	if j.latest.Link == LinkDown {
		return b
	}
	w, t := &j.short.sum, &j.latest.Talk
	b = fmt.Appendf(b, "  in the last %s\n", duration(time.Duration(w[cTime])))
	for _, l := range []struct {
		name string
		text string
	}{
		{"frames", fmt.Sprintf("%d received, %d lost by this box, %d decoded, %d not understood", w[cReceived], w[cKernelDrops], w[cDecoded], w[cUnread])},
		{"for", fmt.Sprintf("%d other hosts, %d in tunnels, %d this box, %d multicast, %d broadcast", w[cUnicast], w[cTunnelled], w[cOwn], w[cMulticast], w[cBroadcast])},
		{"hosts", fmt.Sprintf("about %d", j.latest.Hosts)},
		{"both ways", fmt.Sprintf("TCP %d of %d, SIP and the like %d of %d, other UDP %d of %d",
			t.TCPBoth, t.TCPBoth+t.TCPOneWay, t.AskedBoth, t.AskedBoth+t.AskedOneWay, t.OtherBoth, t.OtherBoth+t.OtherOneWay)},
		{"copies", fmt.Sprintf("%d of %d", w[cCopies], w[cChecked])},
		{"calls", fmt.Sprintf("%d SIP messages, %d answered, %d without media; %d RTP packets, %d streams began, %d linked",
			w[cSIP], w[cCalls], w[cSilent], w[cRTP], w[cStarted], w[cLinked])},
		{"proof", fmt.Sprintf("%d segments seen, %d acknowledged and never seen", w[cSeen], w.unseen())},
	} {
		b = fmt.Appendf(b, "    %-9s  %s\n", l.name, l.text)
	}
	return b
}
