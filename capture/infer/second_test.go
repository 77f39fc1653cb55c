package infer

import (
	"fmt"
	"net/netip"
)

// numbers is a plan of numbers in international form, some of which are the
// ends of others.
func (w *world) numbers(n int, country string, digits int) []string {
	s := make([]string, n)
	for i := range s {
		d := make([]byte, digits)
		for k := range d {
			d[k] = '0' + byte(w.r.IntN(10))
		}
		d[0] = '1' + byte(w.r.IntN(9))
		if i > 0 && w.r.IntN(10) == 0 { // the same end in another area
			copy(d[digits-6:], s[i-1][len(s[i-1])-6:])
		}
		s[i] = "+" + country + string(d)
	}
	return s
}

func (w *world) pick(s []string) string { return s[w.r.IntN(len(s))] }

// second builds the second workload: many hosts, each with another habit. It was
// written before there was a matcher; what was changed later is the name of one kind of noise.
func second(seed uint64, length int64) *world {
	w := newWorld(seed)
	for _, habit := range []func(*world, int64){
		slowQueries, prefixOnly, batches, callerName, healthChecks, retries, callCentre, dialler,
		proxied, formats, users, enum, sideQueries, backToBack, rewritten, sdpOnly,
	} {
		habit(w, length)
	}
	return w
}

// slowQueries are made seconds after the 183.
func slowQueries(w *world, length int64) {
	h, nums := host(1), w.numbers(5000, "49", 9)
	w.every(20, length, func(at int64) {
		c := w.newCall(at, h, w.pick(nums), w.pick(nums))
		w.arrive(c)
		ring := at + w.between(30*ms, 200*ms)
		w.sent(c, ring)
		w.ask("slow query after 183", c.id, h, 1, ring+w.between(sec, 4*sec), w.between(5*ms, 40*ms), "/announce?to="+c.called[1:])
		w.sent(c, ring+w.between(5*sec, 20*sec))
	})
	w.every(20, length, func(at int64) {
		w.ask("slow query after 183, noise", "", h, 1, at, 10*ms, "/announce?to="+w.pick(nums)[1:])
	})
}

// prefixOnly routes by the first digits.
func prefixOnly(w *world, length int64) {
	h, nums := host(2), w.numbers(5000, "49", 9)
	w.every(30, length, func(at int64) {
		c := w.newCall(at, h, w.pick(nums), w.pick(nums))
		w.arrive(c)
		took := w.between(3*ms, 20*ms)
		w.ask("prefix only", c.id, h, 2, at+w.between(ms, 4*ms), took, "/lcr/prefix/"+c.called[1:7])
		w.sent(c, at+6*ms+took)
	})
}

// batches carry several numbers: one kind for a call and its alternatives, one for none.
func batches(w *world, length int64) {
	h, nums := host(3), w.numbers(3000, "44", 10)
	list := func(n int, first ...string) string {
		s := `{"numbers":[`
		for i := range n {
			x := w.pick(nums)
			if i < len(first) {
				x = first[i]
			}
			if i > 0 {
				s += ","
			}
			s += `"` + x + `"`
		}
		return s + "]}"
	}
	w.every(40, length, func(at int64) {
		c := w.newCall(at, h, w.pick(nums), w.pick(nums))
		w.arrive(c)
		took := w.between(5*ms, 60*ms)
		w.ask("alternatives of a call", c.id, h, 3, at+w.between(ms, 6*ms), took, "/route/alternatives", list(4, c.called))
		w.sent(c, at+8*ms+took)
	})
	w.every(5, length, func(at int64) {
		w.ask("batch", "", h, 3, at, 50*ms, "/sync/presence", list(15))
	})
}

// callerName looks the caller up, in national form.
func callerName(w *world, length int64) {
	h, nums := host(4), w.numbers(2000, "1", 10)
	w.every(50, length, func(at int64) {
		c := w.newCall(at, h, w.pick(nums), w.pick(nums))
		w.arrive(c)
		took := w.between(10*ms, 150*ms)
		w.ask("caller name", c.id, h, 4, at+w.between(ms, 5*ms), took, "/cnam/v1/"+c.caller[2:]+"?format=json")
		w.sent(c, at+6*ms+took)
	})
	w.every(30, length, func(at int64) {
		w.ask("caller name, noise", "", h, 4, at, 20*ms, "/cnam/v1/"+w.pick(nums)[2:]+"?format=json")
	})
}

// healthChecks come by the clock at a host with few calls, each of which fetches a
// menu that is not named after anything on the wire.
func healthChecks(w *world, length int64) {
	h, nums := host(5), w.numbers(100, "49", 9)
	w.every(0.5, length, func(at int64) {
		c := w.newCall(at, h, w.pick(nums), w.pick(nums))
		w.arrive(c)
		took := w.between(5*ms, 30*ms)
		w.ask("menu without a number", c.id, h, 5, at+w.between(ms, 5*ms), took, "/menu/start", `{"lang":"de"}`)
		w.sent(c, at+7*ms+took)
	})
	for at := sec; at < length; at += sec {
		w.ask("health check", "", h, 5, at, 2*ms, "/health")
	}
	w.every(5, length, func(at int64) { w.ask("metrics", "", h, 5, at, 2*ms, "/metrics/push", "calls 12345\nuptime 98765\n") })
}

// retries ask up to three times.
func retries(w *world, length int64) {
	h, nums := host(6), w.numbers(1000, "49", 9)
	w.every(30, length, func(at int64) {
		c := w.newCall(at, h, w.pick(nums), w.pick(nums))
		w.arrive(c)
		t, tries, took := at+w.between(ms, 5*ms), w.r.IntN(3), w.between(5*ms, 30*ms)
		for range tries {
			w.ask("retries", c.id, h, 6, t, 0, "/route?dst="+c.called[1:])
			t += 500 * ms
		}
		w.ask("retries", c.id, h, 6, t, took, "/route?dst="+c.called[1:])
		w.sent(c, t+took+w.between(ms/2, 3*ms))
	})
}

// callCentre has one called number; half of the queries name the caller, half the called.
func callCentre(w *world, length int64) {
	h, nums := host(7), w.numbers(20000, "49", 9)
	w.every(40, length, func(at int64) {
		c := w.newCall(at, h, "+498001234567", w.pick(nums))
		w.arrive(c)
		took := w.between(20*ms, 300*ms)
		if w.r.IntN(2) == 0 {
			w.ask("call centre, by caller", c.id, h, 7, at+w.between(ms, 5*ms), took, "/customer/by-phone/0"+c.caller[3:])
		} else {
			w.ask("call centre, by called", c.id, h, 7, at+w.between(ms, 5*ms), took, "/queue/"+c.called[1:]+"/enter")
		}
		w.sent(c, at+6*ms+took)
	})
}

// dialler has one caller; half of the queries name the called, half the caller.
func dialler(w *world, length int64) {
	h, nums := host(8), w.numbers(20000, "49", 9)
	w.every(40, length, func(at int64) {
		c := w.newCall(at, h, w.pick(nums), "+4930555000")
		w.arrive(c)
		took := w.between(5*ms, 100*ms)
		if w.r.IntN(2) == 0 {
			w.ask("dialler, by called", c.id, h, 8, at+w.between(ms, 5*ms), took, "/lnp?number=00"+c.called[1:])
		} else {
			w.ask("dialler, by caller", c.id, h, 8, at+w.between(ms, 5*ms), took, "/credit?account=4930555000")
		}
		w.sent(c, at+6*ms+took)
	})
}

// proxied queries come from a host that never sees SIP.
func proxied(w *world, length int64) {
	h, p, nums := host(9), host(900), w.numbers(3000, "49", 9)
	w.every(30, length, func(at int64) {
		c := w.newCall(at, h, w.pick(nums), w.pick(nums))
		w.arrive(c)
		took, t := w.between(5*ms, 60*ms), at+w.between(ms, 5*ms)
		w.ask("to the proxy", c.id, h, 900, t, took+2*ms, "/v2/route", fmt.Sprintf(`{"from":"%s","to":"%s"}`, c.caller, c.called))
		w.ask("by the proxy", c.id, p, 9, t+ms, took, "/v2/route", fmt.Sprintf(`{"from":"%s","to":"%s"}`, c.caller, c.called))
		w.sent(c, at+8*ms+took)
	})
}

// formats writes each number in another way.
func formats(w *world, length int64) {
	h, nums := host(10), w.numbers(3000, "49", 9)
	write := func(n string) string {
		n = n[3:]
		switch w.r.IntN(6) {
		case 0:
			return "+49 (" + n[:3] + ") " + n[3:6] + "-" + n[6:]
		case 1:
			return "0" + n[:3] + "-" + n[3:]
		case 2:
			return "0049" + n
		case 3:
			return "tel:+49-" + n[:3] + "-" + n[3:]
		case 4:
			return "49" + n
		}
		return "0" + n
	}
	w.every(40, length, func(at int64) {
		c := w.newCall(at, h, w.pick(nums), w.pick(nums))
		r := c.request()
		if w.r.IntN(2) == 0 {
			r.Called[0] = []byte("0" + c.called[3:])
			r.Called[1] = r.Called[0]
		}
		w.arriveAs(at, r)
		took := w.between(5*ms, 60*ms)
		w.ask("national formats", c.id, h, 10, at+w.between(ms, 5*ms), took, "/check",
			`{"request_id":"7f3e11a0-42de-4711-9abc-0123456789ab","callee":"`+write(c.called)+`","ts":1764142198123}`)
		w.sent(c, at+6*ms+took)
	})
	w.every(30, length, func(at int64) {
		w.ask("national formats, noise", "", h, 10, at, 20*ms, "/check",
			`{"request_id":"7f3e11a0-42de-4711-9abc-0123456789ab","callee":"`+write(w.pick(nums))+`","ts":1764142198123}`)
	})
}

// users register and call by name.
func users(w *world, length int64) {
	h := host(11)
	names := make([]string, 2000)
	for i := range names {
		names[i] = fmt.Sprintf("%s.%s%d", []string{"alice", "bob", "carol", "dave"}[w.r.IntN(4)], []string{"smith", "jones", "miller"}[w.r.IntN(3)], i)
	}
	w.every(60, length, func(at int64) {
		u := w.pick(names)
		c := w.newCall(at, h, u, u)
		r := c.request()
		r.Invite = false
		w.arriveAs(at, r)
		took := w.between(2*ms, 40*ms)
		w.ask("registration by name", c.id, h, 11, at+w.between(ms, 5*ms), took, "/subscriber/"+u+"/ha1")
		w.sent(c, at+6*ms+took)
	})
	w.every(30, length, func(at int64) {
		w.ask("registration by name, noise", "", h, 11, at, 20*ms, "/subscriber/"+w.pick(names)+"/profile")
	})
}

// enum asks the DNS (RFC 6116).
func enum(w *world, length int64) {
	h, nums := host(12), w.numbers(3000, "43", 9)
	w.every(50, length, func(at int64) {
		c := w.newCall(at, h, w.pick(nums), w.pick(nums))
		w.arrive(c)
		name := ""
		for i := len(c.called) - 1; i > 0; i-- {
			name += c.called[i:i+1] + "."
		}
		took := w.between(ms, 30*ms)
		w.ask("enum", c.id, h, 12, at+w.between(ms, 5*ms), took, name+"e164.arpa")
		w.sent(c, at+6*ms+took)
	})
}

// sideQueries do not hold the call up, and come at any time of its setup.
func sideQueries(w *world, length int64) {
	h, nums := host(13), w.numbers(2000, "33", 9)
	w.every(60, length, func(at int64) {
		c := w.newCall(at, h, w.pick(nums), w.pick(nums))
		w.arrive(c)
		w.sent(c, at+w.between(3*ms, 20*ms))
		w.ask("side query", c.id, h, 13, at+w.between(ms, 900*ms), w.between(5*ms, 50*ms), "/cdr/open", fmt.Sprintf("a=%s&b=%s", c.caller[1:], c.called[1:]))
	})
	w.every(30, length, func(at int64) {
		w.ask("side query, noise", "", h, 13, at, 20*ms, "/cdr/open", fmt.Sprintf("a=%s&b=%s", w.pick(nums)[1:], w.pick(nums)[1:]))
	})
}

// outgoing is the INVITE of a B2BUA's other leg.
func (w *world) outgoing(c call, called, caller string) Request {
	r := w.newCall(0, c.h, called, caller).request()
	r.CallID = append([]byte("out-"), r.CallID...)
	r.MaxForwards = 69
	return r
}

func sdp(n int) []byte { return fmt.Appendf(nil, "- %d", n) }

func media(n int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 5, 0, byte(n)}), uint16(10000+2*(n%20000)))
}

// backToBack passes numbers on; SDP is its own. Some calls start at the host itself.
func backToBack(w *world, length int64) {
	h, nums := host(14), w.numbers(1500, "49", 9)
	w.every(50, length, func(at int64) {
		c := w.newCall(at, h, w.pick(nums), w.pick(nums))
		r := c.request()
		r.Session, r.Media = sdp(w.calls), media(w.calls)
		w.arriveAs(at, r)
		t := at + w.between(2*ms, 60*ms)
		forks := 1
		if w.r.IntN(10) == 0 {
			forks = 3
		}
		for range forks {
			o := w.outgoing(c, c.called, c.caller)
			o.Session, o.Media = sdp(1000000+w.calls), media(w.calls+7)
			w.place("b2bua, numbers kept", c.id, t, o)
			t += w.between(0, ms)
		}
		w.sent(c, t+w.between(50*ms, 2*sec))
	})
	w.every(10, length, func(at int64) {
		o := w.outgoing(w.newCall(at, h, "", ""), w.pick(nums), w.pick(nums))
		o.Session, o.Media, o.MaxForwards = sdp(2000000+w.calls), media(w.calls), 70
		w.place("call of the host itself", "", at, o)
	})
}

// rewritten puts a prefix before the called number and hides the caller.
func rewritten(w *world, length int64) {
	h, nums := host(15), w.numbers(1500, "49", 9)
	w.every(50, length, func(at int64) {
		c := w.newCall(at, h, w.pick(nums), w.pick(nums))
		r := c.request()
		r.Session, r.Media = sdp(w.calls), media(w.calls)
		w.arriveAs(at, r)
		o := w.outgoing(c, "99"+c.called[1:], "anonymous")
		o.Session, o.Media = sdp(1000000+w.calls), media(w.calls+7)
		w.place("b2bua, prefix and anonymous", c.id, at+w.between(2*ms, 60*ms), o)
		w.sent(c, at+w.between(100*ms, 2*sec))
	})
}

// sdpOnly rewrites both numbers and leaves the SDP alone.
func sdpOnly(w *world, length int64) {
	h, nums := host(16), w.numbers(1500, "49", 9)
	w.every(50, length, func(at int64) {
		c := w.newCall(at, h, w.pick(nums), w.pick(nums))
		r := c.request()
		r.Session, r.Media = sdp(w.calls), media(w.calls)
		w.arriveAs(at, r)
		o := w.outgoing(c, w.pick(nums), w.pick(nums))
		o.Session, o.Media = r.Session, r.Media
		w.place("b2bua, sdp kept", c.id, at+w.between(2*ms, 60*ms), o)
		w.sent(c, at+w.between(100*ms, 2*sec))
	})
}
