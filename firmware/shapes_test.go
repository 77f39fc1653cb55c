package main

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"heptap/capture"
	"heptap/capture/capturetest"
)

// otherShapes is a second workload: hosts with habits of their own, 200 requests and 540 questions a second
// together, of which 280 belong to no request. A proxy asks the DNS by ENUM (RFC 6116) where calls go, and logs
// them. A registrar looks users up by name. A call centre with one number looks callers up, over a connection for each
// query. A gateway sends numbers in forms, in the ways in which people write them. An exchange makes calls of calls, with a
// prefix and without the caller's number, and some of its own.
func otherShapes(seed uint64, seconds int64) *exchangeSwitch {
	all := newSwitch(seed)
	for i, habit := range []func(*exchangeSwitch, int64){enumProxy, registrar, callCentre, formGateway, hidingExchange} {
		s := newSwitch(seed*10 + uint64(i))
		s.at = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 1, byte(i + 1)}), 5060)
		s.web = netip.AddrFrom4([4]byte{10, 9, 1, byte(i + 1)})
		s.asked = i * 1_000_000
		for k, d := range capturetest.SIPCall(capturetest.Call{Caller: netip.MustParseAddrPort("10.1.0.0:5060"), Callee: s.at, CallID: fmt.Sprintf("first-%d@phones.example", i)}) {
			s.show(int64(k)*msec, capturetest.UDP(d.Src, d.Dst, d.Payload))
		}
		habit(s, seconds)
		all.frames = append(all.frames, s.frames...)
		maps.Copy(all.truth, s.truth)
		maps.Copy(all.named, s.named)
	}
	slices.SortStableFunc(all.frames, func(a, b capture.Frame) int { return cmp.Compare(a.Wall, b.Wall) })
	return all
}

// arrives shows a call's messages up to a 100 of the host, and returns its Call-ID and what is said later.
func (s *exchangeSwitch) arrives(at int64, called, caller string) (id string, rest []capturetest.Datagram) {
	s.calls++
	phone := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 2 + s.at.Addr().As4()[3], byte(s.calls >> 8), byte(s.calls)}), 5060)
	id = fmt.Sprintf("%d-%s@phones.example", s.calls, s.at.Addr())
	ds := capturetest.SIPCall(capturetest.Call{Caller: phone, Callee: s.at, CallerMedia: netip.AddrPortFrom(phone.Addr(), 6000),
		CalleeMedia: netip.AddrPortFrom(s.at.Addr(), 7000), CallID: id, From: caller, To: called})
	s.sip(ds[:2], at, at+msec/2)
	return id, ds[2:]
}

func (s *exchangeSwitch) goesOn(rest []capturetest.Datagram, at int64) {
	s.sip(rest, at, at+s.between(500*msec, 5*sec), at+6*sec, at+9*sec, at+9*sec+10*msec)
}

// german is a number of a plan of so many.
func (s *exchangeSwitch) german(of int) string {
	return fmt.Sprintf("+49%d", 301_000_000+int64(s.r.IntN(of))*104_729%600_000_000)
}

// enum shows a question about a number and its answer, and returns the question's name, by which it is known here: so
// no number may be asked about twice.
func (s *exchangeSwitch) enum(belongs, number string, at, took int64) {
	name := ""
	for i := len(number) - 1; i > 0; i-- {
		name += number[i:i+1] + "."
	}
	s.asked++
	s.truth[strings.TrimSuffix(name, ".")] = belongs
	client, server := netip.AddrPortFrom(s.at.Addr(), uint16(20000+s.asked%40000)), netip.AddrPortFrom(s.web, 53)
	for i, flags := range []string{"\x01\x00", "\x81\x80"} {
		b := string([]byte{byte(s.asked >> 8), byte(s.asked)}) + flags + "\x00\x01\x00\x00\x00\x00\x00\x00"
		for label := range strings.SplitSeq(name+"e164.arpa", ".") {
			b += string([]byte{byte(len(label))}) + label
		}
		b += "\x00\x00\x23\x00\x01" // NAPTR, IN
		if i == 0 {
			s.show(at, capturetest.UDP(client, server, []byte(b)))
		} else {
			s.show(at+took, capturetest.UDP(server, client, []byte(b)))
		}
	}
}

// line shows a line of the host's log that has a Call-ID in it.
func (s *exchangeSwitch) line(call string, at int64) {
	s.asked++
	s.named[fmt.Sprint(s.asked)] = call
	text := fmt.Sprintf("<134>Nov 14 22:13:20 pbx proxy[7]: line %d: sent %s on", s.asked, call)
	s.show(at, capturetest.UDP(netip.AddrPortFrom(s.at.Addr(), 40000), netip.AddrPortFrom(s.web, 514), []byte(text)))
}

func enumProxy(s *exchangeSwitch, seconds int64) {
	n := int64(0)
	number := func() string { n++; return fmt.Sprintf("+43%d", 100_000_000+n*7_919_317%800_000_000) }
	s.every(50, seconds, func(at int64) {
		called := number()
		id, rest := s.arrives(at, called, s.german(2000))
		t, n := at+s.between(msec, 4*msec), s.took()
		s.enum(id, called, t, n)
		t += n + s.between(msec/2, 2*msec)
		s.line(id, t+s.between(0, 20*msec))
		s.goesOn(rest, t)
	})
	s.every(50, seconds, func(at int64) { s.enum("", number(), at, s.took()) })
}

// registrar is asked by name, and asks by name.
func registrar(s *exchangeSwitch, seconds int64) {
	name := func() string {
		return fmt.Sprintf("%s.%s%d", []string{"alice", "bob", "carol", "dave"}[s.r.IntN(4)], []string{"smith", "jones", "miller"}[s.r.IntN(3)], s.r.IntN(800))
	}
	s.every(60, seconds, func(at int64) {
		s.calls++
		user, phone := name(), netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 3, byte(s.calls >> 8), byte(s.calls)}), 5060)
		id := fmt.Sprintf("reg-%d@phones.example", s.calls)
		head := fmt.Sprintf("Via: SIP/2.0/UDP %s;branch=z9hG4bKr\r\nFrom: <sip:%s@example.com>;tag=1\r\nTo: <sip:%s@example.com>\r\nCall-ID: %s\r\nCSeq: 1 REGISTER\r\nContact: <sip:%s@%s>\r\nContent-Length: 0\r\n\r\n", phone, user, user, id, user, phone)
		s.show(at, capturetest.UDP(phone, s.at, []byte("REGISTER sip:example.com SIP/2.0\r\nMax-Forwards: 70\r\n"+head)))
		t, n := at+s.between(msec, 4*msec), s.took()
		s.ask(id, 1, t, n, "/subscriber/"+user+"/ha1", "")
		s.show(t+n+s.between(msec/2, 2*msec), capturetest.UDP(s.at, phone, []byte("SIP/2.0 200 OK\r\n"+head)))
	})
	s.every(60, seconds, func(at int64) { s.ask("", 1, at, s.took(), "/subscriber/"+name()+"/profile", "") })
}

// callCentre has several calls to one number at once.
func callCentre(s *exchangeSwitch, seconds int64) {
	s.once = true
	s.every(40, seconds, func(at int64) {
		caller := s.german(20000)
		id, rest := s.arrives(at, "+498001234567", caller)
		t, n := at+s.between(msec, 5*msec), s.took()
		s.ask(id, 2, t, n, "/graphql", fmt.Sprintf(`{"query":"query($p:String!){customer(phone:$p){name vip}}","variables":{"p":"0%s"}}`, caller[3:]))
		t += n + s.between(msec/2, 2*msec)
		if s.calls%4 == 0 {
			s.askNaming(id, 3, t, s.took(), "/queue/enter")
		}
		s.goesOn(rest, t)
	})
	s.every(40, seconds, func(at int64) {
		s.ask("", 2, at, s.took(), "/graphql", fmt.Sprintf(`{"query":"query($p:String!){customer(phone:$p){name vip}}","variables":{"p":"0%s"}}`, s.german(20000)[3:]))
	})
	for at := sec; at < seconds*sec; at += 20 * msec {
		s.ask("", 4, at, 2*msec, "/health", "")
	}
}

// formGateway gets numbers with a + and in national form, and writes them in six ways.
func formGateway(s *exchangeSwitch, seconds int64) {
	write := func(n string) string {
		n = n[3:]
		return []string{"%2B49+%28" + n[:3] + "%29+" + n[3:6] + "-" + n[6:], "0" + n[:3] + "-" + n[3:], "0049" + n, "tel%3A%2B49-" + n[:3] + "-" + n[3:], "49" + n, "0" + n}[s.r.IntN(6)]
	}
	s.every(50, seconds, func(at int64) {
		called, caller := s.german(3000), s.german(3000)
		dialled := called
		if s.r.IntN(2) == 0 {
			dialled = "0" + called[3:]
		}
		id, rest := s.arrives(at, dialled, caller)
		t := at + s.between(msec, 5*msec)
		for _, q := range [][2]string{{"/v2/lnp", "request=7f3e11a0-42de-4711-9abc-0123456789ab&dst=" + write(called)}, {"/v2/rate", "a=" + write(caller) + "&b=" + write(called)}} {
			n := s.took()
			s.ask(id, 5, t, n, q[0], q[1])
			t += n + s.between(msec/2, 2*msec)
		}
		s.goesOn(rest, t)
	})
	s.every(40, seconds, func(at int64) {
		s.ask("", 5, at, s.took(), "/v2/lnp", "request=7f3e11a0-42de-4711-9abc-0123456789ab&dst="+write(s.german(3000)))
	})
	s.every(40, seconds, func(at int64) {
		s.ask("", 5, at, s.took(), "/v2/rate", "a="+write(s.german(3000))+"&b="+write(s.german(3000)))
	})
}

func hidingExchange(s *exchangeSwitch, seconds int64) {
	s.every(30, seconds, func(at int64) {
		called := s.german(1500)
		id, rest := s.arrives(at, called, s.german(1500))
		t := at + s.between(2*msec, 60*msec)
		s.leg(id, t, "99"+called[1:], "anonymous", false)
		s.goesOn(rest, t+20*msec)
	})
	own := 0
	s.every(6, seconds, func(at int64) {
		own++
		id := fmt.Sprintf("own-%d", own)
		s.leg(id, at, "99"+s.german(1500)[1:], "anonymous", false)
		s.truth["out-"+id] = ""
	})
}

// TestOtherShapes holds the second workload against itself: each kind of question is there, with and without calls.
func TestOtherShapes(t *testing.T) {
	s := otherShapes(1, 5)
	enum, none := 0, 0
	for id, call := range s.truth {
		if strings.Contains(id, ".") {
			enum++
		}
		if call == "" {
			none++
		}
	}
	if len(s.truth) < 2500 || enum < 400 || none < 1000 || none > len(s.truth)*2/3 || len(s.named) < 250 {
		t.Errorf("%d questions, %d by ENUM, %d without a call, %d that name one", len(s.truth), enum, none, len(s.named))
	}
}
