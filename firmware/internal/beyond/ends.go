package beyond

import (
	"heptap/capture/dissect"
	"heptap/capture/rest"
)

// ends is what is known of the end of a connection: who has finished, and what
// ended it. What waits for a reply fails by it.
type ends struct {
	fin   [2]dissect.At // of each direction
	has   [2]bool       // it is there
	first int8          // the direction of the first
	ended bool
	end   dissect.Ending
}

// finished takes in that the sender of a direction has finished.
func (e *ends) finished(dir int, at *dissect.At) {
	if e.has[dir] {
		return
	}
	e.fin[dir], e.has[dir] = *at, true
	if !e.has[1-dir] {
		e.first = int8(dir)
	}
}

// over takes in what ended the connection. last is the frame of the last octets.
func (e *ends) over(end *dissect.Ending, last *dissect.At) {
	e.ended, e.end = true, *end
	if end.At == (dissect.At{}) {
		e.end.At = *last
	}
}

// failure is why there is no reply.
type failure struct {
	ends  *ends // nil: datagrams
	why   rest.Reason
	asked int        // the direction of the request
	at    dissect.At // when it was clear
	dir   int        // of who ended the connection, of the reply that did not come when nobody did
	by    string     // in words; empty when it is not the connection's end that tells
}

// failure says for why what is asked in direction asked has no reply. last is the
// frame of the last octets. Who finishes first has ended the connection: one that
// closes because the other one did is not to blame.
func (e *ends) failure(why rest.Reason, asked int, last *dissect.At) failure {
	f := failure{ends: e, why: why, asked: asked, at: *last, dir: 1 - asked}
	by := int8(-1)
	switch {
	case why == rest.Closed && (e.has[0] || e.has[1]):
		by, f.at = e.first, e.fin[e.first]
	case e.ended:
		by, f.at = e.end.By, e.end.At
	case e.has[1-asked]:
		f.at = e.fin[1-asked]
	}
	switch {
	case why == rest.Gap || why == rest.Malformed:
		return f
	case by < 0:
		f.by = "nobody"
		return f
	}
	if e.has[by] {
		f.at = e.fin[by] // and reset it after that
	}
	f.dir, f.by = int(by), "server"
	if f.dir == asked {
		f.by = "client"
	}
	return f
}

// tell appends the reason, who ended the connection, and how long had been waited
// since the request.
func (f *failure) tell(o *object, since int64) {
	o.text("failed", f.why.String())
	o.text("ended_by", f.by)
	o.ms("waited_ms", max(f.at.Mono-since, 0))
	if f.ends == nil {
		return
	}
	if server := 1 - f.asked; f.dir == f.asked && f.ends.has[server] {
		o.ms("server_closed_ms", max(f.ends.fin[server].Mono-since, 0))
	}
	f.ends.leaver(o, f.asked, since, f.at.Mono)
}

// leaver appends when the client has finished, if that was before the reply had come
// at until: it may not have waited for it.
func (e *ends) leaver(o *object, asked int, since, until int64) {
	if e.has[asked] && e.fin[asked].Mono < until {
		o.ms("client_closed_ms", max(e.fin[asked].Mono-since, 0))
	}
}

// after is at, at another time.
func after(at *dissect.At, mono int64) dissect.At {
	t := *at
	t.Wall, t.Mono = at.Wall+mono-at.Mono, mono
	return t
}
