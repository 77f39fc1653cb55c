package correlate_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"heptap/capture"
	"heptap/capture/correlate"
	"heptap/capture/record"
)

// site plays what is seen of a site. Hosts are addresses; they signal by port 5060.
type site struct {
	*rig
	n int
}

// say sends a request, and its answer, between two hosts. uri is the user of the
// Request-URI, more are header lines.
func (s *site) say(method, from, to, uri, caller, callee string, hops int, more ...string) {
	s.n++
	head := ""
	for i := range hops {
		head += fmt.Sprintf("Via: SIP/2.0/UDP h%d.invalid;branch=z9hG4bK%d-%d\r\n", i, s.n, i)
	}
	head += fmt.Sprintf("From: <sip:%s@example.net>;tag=f\r\nTo: <sip:%s@example.net>\r\nCall-ID: %d\r\nCSeq: 1 %s\r\n", caller, callee, s.n, method)
	head += strings.Join(append(more, ""), "\r\n") + "Content-Length: 0\r\n\r\n"
	a, b := ap(from+":5060"), ap(to+":5060")
	s.send(capture.SIP, a, b, []byte(method+" sip:"+uri+"@"+to+" SIP/2.0\r\n"+head))
	s.send(capture.SIP, b, a, []byte("SIP/2.0 200 OK\r\n"+strings.Replace(head, "@example.net>\r\nCall", "@example.net>;tag=t\r\nCall", 1)))
}

// register has a host register a user with a Contact and a product.
func (s *site) register(host, with, user, contact, product string) {
	s.say("REGISTER", host, with, "", user, user, 1, "Contact: <sip:"+contact+">;expires=300", "User-Agent: "+product)
}

// call has a host call another one: as caller, the user of the URI, and the one of To.
func (s *site) call(host, other, caller, uri, callee string) {
	s.say("INVITE", host, other, uri, caller, callee, 1)
}

// phones are seen to register and to be called, each as one user.
func (s *site) phones(pbx string, n int) (hosts []string) {
	for i := range n {
		h, user := fmt.Sprintf("10.0.0.%d", 101+i), fmt.Sprint(201+i)
		s.register(h, pbx, user, user+"@"+h+":5060", "Yealink SIP-T46S 66.86.0.15")
		s.call(h, pbx, user, "00493012345", "00493012345")
		for g := range 6 { // groups that it is in
			s.call(pbx, h, "4940"+fmt.Sprint(g), user, fmt.Sprint(600+g))
		}
		hosts = append(hosts, h)
	}
	return hosts
}

const (
	pbx, carrier, sbc = "10.0.0.1", "203.0.113.1", "10.0.0.2"
	trunk             = "4930555"
)

// TestWhoIsAServer plays sites as they are, and counts whom the rule takes for what it
// is not.
func TestWhoIsAServer(t *testing.T) {
	var missed, mistaken []string
	servers, others := 0, 0
	for _, tt := range []struct {
		name    string
		play    func(s *site) (phones []string)
		servers []string
	}{
		{"ten phones and their PBX, with a trunk", func(s *site) []string {
			s.register(pbx, carrier, trunk, trunk+"@10.0.0.1:5060", "in-house 1.0")
			return s.phones(pbx, 10)
		}, []string{pbx, carrier}},
		{"its trunk alone: extensions call, and calls that are passed on", func(s *site) []string {
			s.register(pbx, carrier, trunk, trunk+"@10.0.0.1:5060", "in-house 1.0")
			for i := range 4 {
				s.call(pbx, carrier, fmt.Sprint(trunk, 10+i), "4989", "4989")
			}
			return nil
		}, []string{pbx, carrier}},
		{"its trunk alone: its numbers are called", func(s *site) []string {
			s.register(pbx, carrier, trunk, trunk+"@10.0.0.1:5060", "in-house 1.0")
			for i := range 4 {
				s.call(carrier, pbx, "4989", fmt.Sprint(trunk, 10+i), fmt.Sprint(trunk, 10+i))
			}
			return nil
		}, []string{pbx, carrier}},
		{"five trunks of one PBX", func(s *site) []string {
			for i := range 5 {
				s.register(pbx, carrier, fmt.Sprint(trunk, i), fmt.Sprint(trunk, i)+"@10.0.0.1:5060", "in-house 1.0")
				s.call(pbx, carrier, fmt.Sprint("49405", i), "4989", "4989")
			}
			return nil
		}, []string{pbx, carrier}},
		{"a small PBX that says what it is", func(s *site) []string {
			s.register(pbx, carrier, trunk, "s@10.0.0.1:5060", "Asterisk PBX 18.10.0")
			s.call(carrier, pbx, "4989", "s", trunk)
			return nil
		}, []string{pbx, carrier}},
		{"a small PBX with one number, seen from outside", func(s *site) []string {
			s.register(pbx, carrier, trunk, trunk+"@10.0.0.1:5060", "in-house 1.0")
			for i := range 20 {
				s.call(pbx, carrier, trunk, fmt.Sprint("4989", i), fmt.Sprint("4989", i))
				s.call(carrier, pbx, fmt.Sprint("4989", i), trunk, trunk)
			}
			return nil
		}, []string{pbx, carrier}},
		{"a PBX on a trunk without registration", func(s *site) []string {
			s.call(carrier, pbx, "4989", trunk, trunk)
			s.call(pbx, carrier, trunk, "4989", "4989")
			return nil
		}, []string{pbx, carrier}},
		{"a softphone with three accounts that hides its number", func(s *site) []string {
			for i := range 3 {
				provider, user := fmt.Sprint("203.0.113.", 10+i), fmt.Sprint("49171", i)
				s.register("10.0.0.50", provider, user, user+"@10.0.0.50:5060;rinstance=ab12", "Zoiper v2.10")
				s.call("10.0.0.50", provider, user, "4989", "4989")
				s.call("10.0.0.50", provider, "anonymous", "4989", "4989")
				s.call(provider, "10.0.0.50", "4989", user, user)
			}
			s.call("10.0.0.50", "203.0.113.10", "4930800", "4989", "4989") // the number of its company
			return []string{"10.0.0.50"}
		}, []string{"203.0.113.10", "203.0.113.11", "203.0.113.12"}},
		{"a softphone in a browser, loaded again and again", func(s *site) []string {
			for i := range 70 {
				user := fmt.Sprintf("r%08d", i)
				s.register("10.0.0.51", pbx, "201", user+"@"+user+".invalid", "JsSIP 3.10.1")
				s.call(pbx, "10.0.0.51", "4989", user, "201")
			}
			return []string{"10.0.0.51"}
		}, []string{pbx}},
		{"an adapter with two lines and call waiting", func(s *site) []string {
			for i := range 2 {
				user := fmt.Sprint("4930700", i)
				s.register("10.0.0.60", carrier, user, user+"@10.0.0.60:5060", "Grandstream HT802 1.0.37.2")
				for n := range 8 {
					s.call("10.0.0.60", carrier, user, fmt.Sprint("4989", n), fmt.Sprint("4989", n))
					s.call(carrier, "10.0.0.60", fmt.Sprint("4989", n), user, user)
				}
			}
			return []string{"10.0.0.60"}
		}, []string{carrier}},
		{"a gateway with 24 sockets, whose registrations come after its calls", func(s *site) []string {
			s.register("10.0.0.61", pbx, "300", "300@10.0.0.61:5060", "Grandstream GXW4224 1.0.5.26")
			for i := range 24 {
				s.call("10.0.0.61", pbx, fmt.Sprint(300+i), "4989", "4989")
				s.call(pbx, "10.0.0.61", "4989", fmt.Sprint(300+i), "600")
			}
			for i := range 24 {
				s.register("10.0.0.61", pbx, fmt.Sprint(300+i), fmt.Sprint(300+i)+"@10.0.0.61:5060", "Grandstream GXW4224 1.0.5.26")
			}
			return []string{"10.0.0.61"}
		}, []string{pbx}},
		{"sixty phones behind one address", func(s *site) []string {
			for i := range 60 {
				user := fmt.Sprint(400 + i)
				s.call("198.51.100.9", carrier, user, "4989", "4989") // before its registration is seen
				s.register("198.51.100.9", carrier, user, fmt.Sprintf("%s@192.168.1.%d:5060", user, 10+i), "snomD735/10.1.46.16")
				s.call(carrier, "198.51.100.9", "4989", user, user)
			}
			return []string{"198.51.100.9"}
		}, []string{carrier}},
		{"a phone that strangers call as all kinds of users", func(s *site) []string {
			s.register("10.0.0.52", carrier, "201", "201@10.0.0.52:5060", "Yealink SIP-T46S 66.86.0.15")
			for i := range 20 {
				s.call("192.0.2.66", "10.0.0.52", "100", fmt.Sprint(1000+i), fmt.Sprint(1000+i))
			}
			return []string{"10.0.0.52"}
		}, []string{carrier}},
		{"an SBC, from the phones", func(s *site) []string {
			s.register(sbc, carrier, "201", "201@10.0.0.2:5060", "in-house 2.0")
			return s.phones(sbc, 3)
		}, []string{sbc, carrier}},
		{"an SBC, from the core", func(s *site) []string {
			for i := range 200 {
				s.register(sbc, carrier, fmt.Sprint(201+i), fmt.Sprintf("u%d@10.0.0.2:5060", i), "Yealink SIP-T46S 66.86.0.15")
			}
			s.call(carrier, sbc, "4989", "u1", "202")
			return nil
		}, []string{sbc, carrier}},
		{"a proxy, from the core", func(s *site) []string {
			s.say("REGISTER", sbc, carrier, "", "201", "201", 2, "Contact: <sip:201@10.0.0.101:5060>", "User-Agent: Yealink SIP-T46S 66.86.0.15")
			s.say("INVITE", carrier, sbc, "201", "4989", "201", 1)
			return nil
		}, []string{sbc, carrier}},
		{"a proxy that registers itself, too", func(s *site) []string {
			s.register(sbc, carrier, trunk, trunk+"@10.0.0.2:5060", "in-house 2.0")
			s.say("INVITE", sbc, carrier, "4989", "201", "4989", 2)
			s.call(carrier, sbc, "4989", trunk, trunk)
			return nil
		}, []string{sbc, carrier}},
		{"a PBX that is listed, before it says anything", func(s *site) []string { return nil }, []string{"192.0.2.200"}},
		{"a phone before its first registration is seen", func(s *site) []string {
			s.call(pbx, "10.0.0.53", "4989", "201", "201")
			return []string{"10.0.0.53"}
		}, nil},
	} {
		s := &site{rig: newRig(t, func(c *correlate.Config) { c.Servers = []netip.Prefix{netip.MustParsePrefix("192.0.2.200/32")} })}
		phones := tt.play(s)
		servers, others = servers+len(tt.servers), others+len(phones)
		for _, h := range tt.servers {
			if slices.Contains(phones, h) {
				t.Fatal(tt.name)
			}
			if a := netip.MustParseAddr(h); !s.c.Server(0, a) || !s.c.Server(0, netip.AddrFrom16(a.As16())) {
				missed = append(missed, tt.name+": "+h)
			}
		}
		for _, h := range phones {
			if s.c.Server(0, netip.MustParseAddr(h)) {
				mistaken = append(mistaken, tt.name+": "+h)
			}
		}
	}
	t.Logf("%d of %d servers are missed, %d of %d others are taken for servers", len(missed), servers, len(mistaken), others)
	if want := []string{"a small PBX with one number, seen from outside: " + pbx}; !slices.Equal(missed, want) {
		t.Errorf("servers that are missed:\n%s", strings.Join(missed, "\n"))
	}
	if want := []string{"a phone before its first registration is seen: 10.0.0.53"}; !slices.Equal(mistaken, want) {
		t.Errorf("phones that are taken for servers:\n%s", strings.Join(mistaken, "\n"))
	}
}

// A gateway whose calls are seen before its registrations is no server any more when
// they were seen; Contacts of several places count for an hour.
func TestWhoIsAServerChanges(t *testing.T) {
	s := &site{rig: newRig(t, nil)}
	server := func(want bool, when string) {
		t.Helper()
		if got := s.c.Server(0, netip.MustParseAddr(pbx)); got != want {
			t.Errorf("%s: %v", when, got)
		}
	}
	reg := func(user, at string) { s.register(pbx, carrier, user, user+"@"+at, "in-house 1.0") }
	reg("1", "10.0.0.1:5060")
	s.call(carrier, pbx, "4989", "1", "1")
	server(false, "a phone")
	for i := range 3 {
		s.call(pbx, carrier, fmt.Sprint(i+2), "4989", "4989")
	}
	server(false, "three users it has not registered")
	s.call(pbx, carrier, "5", "4989", "4989")
	server(true, "four")
	reg("5", "10.0.0.1:5060")
	server(false, "one of them is its own")
	s.call(pbx, carrier, "6", "4989", "4989")
	server(true, "four again")
	reg("1", "198.51.100.7:5060")
	server(false, "its Contact moved")
	reg("1", "198.51.100.7:5060")
	s.pass(61 * time.Minute)
	s.say("OPTIONS", carrier, pbx, "1", "x", "1", 1)
	server(true, "it has not moved again")
	s.pass(3 * time.Hour)
	s.say("OPTIONS", carrier, pbx, "1", "x", "1", 1)
	server(true, "forgotten: it answered, and is not known to register")
	reg("1", "198.51.100.7:5060")
	server(false, "nothing of before counts")
}

// Registrations of a crowd of hosts take no memory for each.
func TestLinesAreReused(t *testing.T) {
	c := correlate.New(correlate.Config{Emit: func(*record.Record) {}})
	m := &capture.Message{Protocol: capture.SIP, Payload: []byte("REGISTER sip:b SIP/2.0\r\nVia: SIP/2.0/UDP x\r\nTo: <sip:201@b>\r\nCall-ID: r\r\nCSeq: 1 REGISTER\r\nContact: <sip:201@c>\r\n\r\n")}
	n := uint32(0)
	next := func() {
		n++
		m.Mono += 1e6
		m.Flow = capture.FiveTuple{Proto: capture.ProtoUDP, Dst: bobSIP,
			Src: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}), 5060)}
		c.Message(m)
	}
	for range 20_000 {
		next()
	}
	if got := testing.AllocsPerRun(1000, next); got > 0.5 {
		t.Errorf("%v allocations for a host", got)
	}
}
