package correlate_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"heptap/capture/correlate"
	"heptap/capture/infer"
	"heptap/capture/record"
)

// An SDP that a party repeats is not read again. What comes out must be the same as if
// it were: as with sessions of which each has another name (s=).
func TestRepeatedSDP(t *testing.T) {
	for seed := range uint64(150) {
		same, fresh := repeats(t, seed, false), repeats(t, seed, true)
		if !slices.Equal(same, fresh) {
			for i := range same {
				if same[i] != fresh[i] {
					t.Fatalf("seed %d: after %d steps\n%s\nand with each SDP read\n%s", seed, i, same[i], fresh[i])
				}
			}
		}
	}
}

// repeats plays two calls that share media addresses, with forks, holds, ICE, a media
// proxy's control and too little room, and returns who owned what.
func repeats(t *testing.T, seed uint64, renamed bool) (out []string) {
	rng := rand.New(rand.NewPCG(seed, 1))
	r := newRig(t, func(c *correlate.Config) {
		c.Events = true
		c.Infer = &infer.Config{}
		if seed%4 == 0 {
			c.Calls = 2 // and eight addresses
		}
	})
	hosts := []string{"192.0.2.3", "192.0.2.4", "10.0.0.5"}
	lines := []string{"m=audio 7000 RTP/AVP 8", "m=audio 7000 RTP/AVP 96\r\na=rtpmap:96 opus/48000/2\r\na=sendonly",
		"m=audio 7100 RTP/SAVP 0\r\na=crypto:1 x y", "m=image 7000 udptl t38", "m=audio 7000 RTP/AVP 8\r\na=inactive",
		"m=audio 7000 RTP/AVP 8\r\na=candidate:1 1 UDP 1 192.0.2.4 7000 typ host\r\na=remote-candidates:1 192.0.2.3 7100",
		"m=audio 7200 RTP/AVP 8\r\nm=video 7300 RTP/AVP 34\r\nm=audio 7100 RTP/AVP 3"}
	crowd := seed%4 == 1 // more than a call may have: who gives way differs, what was said last is there
	for set := range 4 {
		if !crowd {
			break
		}
		many := "m=audio 7000 RTP/AVP 8"
		for i := range 14 {
			many += fmt.Sprintf("\r\na=candidate:1 1 UDP 1 192.0.2.%d %d typ host", 10+set, 7000+2*i)
		}
		lines = append(lines, many)
	}
	n := 0
	last := map[string]string{}
	main := "" // place of the media said last
	sdp := func(who string) string {
		s := last[who]
		if s == "" || rng.IntN(3) == 0 {
			s = session(hosts[rng.IntN(len(hosts))], lines[rng.IntN(len(lines))])
			last[who] = s
		}
		var a [4]byte
		var port int
		fmt.Sscanf(s[strings.Index(s, "c=IN IP4"):], "c=IN IP4 %d.%d.%d.%d", &a[0], &a[1], &a[2], &a[3])
		fmt.Sscanf(s[strings.Index(s, "m=")+len("m=audio "):], "%d", &port)
		main = fmt.Sprintf("{0 ffff%x %x}", a, port)
		if n++; renamed {
			s = s[:len("v=0\r\n")] + fmt.Sprintf("s=%d\r\n", n) + s[len("v=0\r\n"):]
		}
		return s
	}
	for range 40 {
		id := []string{"one", "two"}[rng.IntN(2)]
		ds := call(id)
		tag := fmt.Sprint("tag=", rng.IntN(3))
		switch rng.IntN(9) {
		case 0, 1:
			r.sip(body(ds[0], sdp(id)))
		case 2:
			r.sip(body(edit(ds[0], ">\r\nCall-ID", ">;"+tag+"\r\nCall-ID"), sdp(id)))
		case 3, 4:
			r.sip(body(edit(ds[3], "200 OK", "183 Session Progress", "tag=a6c85cf", tag), sdp(id+tag)))
		case 5:
			r.sip(body(edit(ds[3], "tag=a6c85cf", tag), sdp(id+tag)))
		case 8:
			r.sip(body(edit(ds[3], "tag=a6c85cf", tag), ""))
		case 6:
			r.control(correlate.ControlAnswer, id, tag, sdp(id+tag))
		case 7:
			r.sip(edit(ds[3], "200 OK", "486 Busy Here", "tag=a6c85cf", tag))
		}
		have := r.c.Bindings(id)
		if crowd {
			out = append(out, fmt.Sprint(id, main, slices.ContainsFunc(have, func(b string) bool { return strings.HasPrefix(b, main) })))
			continue
		}
		out = append(out, fmt.Sprintf("%s %q", id, have))
		if rng.IntN(12) == 0 {
			r.wait(40 * time.Second) // ended calls make room
		}
		if rng.IntN(4) == 0 {
			r.pass(2 * time.Second)
			src := fmt.Sprintf("%s:%d", hosts[rng.IntN(3)], 7000+100*rng.IntN(4))
			dst := fmt.Sprintf("%s:%d", hosts[rng.IntN(3)], 7000+100*rng.IntN(4))
			r.seen(uint64(n)+100, ap(src), ap(dst), uint32(n)+100, 150)
		}
	}
	r.wait(time.Minute)
	r.c.Flush()
	for _, g := range r.recs {
		if g.typ != record.SIP {
			out = append(out, fmt.Sprint(g.typ, g.primary, g.links, g.flow, g.report))
		}
	}
	return out
}

// What did not fit is tried again when the SDP is repeated.
func TestRepeatedSDPFits(t *testing.T) {
	r := newRig(t, func(c *correlate.Config) { c.Calls = 2 }) // and eight addresses
	one, two := call("one"), call("two")
	var lines []string
	for i := range 8 {
		lines = append(lines, fmt.Sprintf("m=audio %d RTP/AVP 8", 7000+2*i))
	}
	r.sip(body(one[0], session("192.0.2.3", lines...)))
	r.sip(two[0])
	if got := r.c.Bindings("two"); len(got) != 0 {
		t.Fatalf("%q although there is no room", got)
	}
	r.sip(edit(one[3], "200 OK", "486 Busy Here"))
	r.wait(2 * correlate.Linger)
	r.sip(two[0])
	if got := r.c.Bindings("two"); len(got) != 1 {
		t.Errorf("%q after there was room, want one", got)
	}
}

// A phone that another one was quicker than counts again when it answers, too.
func TestRepeatedSDPOfAFork(t *testing.T) {
	r := newRig(t, nil)
	ds := call("fork")
	r.sip(ds[0], edit(ds[3], "200 OK", "183 Session Progress"), body(edit(ds[3], "tag=a6c85cf", "tag=other"), ""), ds[3])
	for _, b := range r.c.Bindings("fork") {
		if !strings.Contains(b, "rank 3") {
			t.Errorf("%s: want it advertised", b)
		}
	}
}
