package mi

import (
	"bytes"
	"net/url"
	"strconv"
)

// The event socket (mod_event_socket). A client sends a command line, header
// fields and an empty line, with Content-Length a body; so does FreeSWITCH, but
// for the command line. What each is shows in its first line, so that it does not
// matter who opened the connection.

// eslVerbs are the commands of mod_event_socket.
var eslVerbs = [...]string{"auth", "userauth", "api", "bgapi", "event", "nixevent", "noevents", "myevents", "divert_events", "filter", "sendmsg",
	"sendevent", "log", "nolog", "linger", "nolinger", "exit", "connect", "resume", "getvar", "..."}

// eslFields are the fields FreeSWITCH begins its messages with. Only the reply to
// connect, which is a channel's data, begins as an event does.
var eslFields = [...]string{"Content-Type", "Content-Length", "Event-Name", "Reply-Text", "Job-UUID"}

// frontESL recognises a stream by what FreeSWITCH says first, or by connect, with
// which a program greets that FreeSWITCH has called.
func frontESL(b []byte) verdict {
	return begins(b, "Content-Type: auth/request\n", "Content-Type: command/reply\n", "Content-Type: api/response\n",
		"Content-Type: text/rude-rejection\n", "Content-Type: text/event-", "Content-Type: log/data\n", "Content-Type: text/disconnect-notice\n",
		"connect\n\n", "connect\r\n\r\n")
}

// eslBegins says whether a message can begin with line.
func eslBegins(line []byte) bool {
	verb := firstWord(line)
	if name, ok := bytes.CutSuffix(verb, []byte{':'}); ok {
		return isOneOf(name, eslFields[:])
	}
	return isOneOf(verb, eslVerbs[:])
}

func firstWord(line []byte) []byte {
	if n := bytes.IndexAny(line, " \r\n"); n >= 0 {
		return line[:n]
	}
	return line
}

func isOneOf(b []byte, texts []string) bool {
	for _, t := range texts {
		if len(b) == len(t) && bytes.EqualFold(b, []byte(t)) {
			return true
		}
	}
	return false
}

// contentLength returns the length of the body that follows a head; ok is false
// when it is senseless.
func contentLength(head []byte) (n uint64, ok bool) {
	v, has := field(head, "Content-Length")
	if !has || len(v) == 0 {
		return 0, true
	}
	if len(v) > 10 {
		return 0, false
	}
	n, err := strconv.ParseUint(string(v), 10, 32)
	return n, err == nil && n <= 1<<30
}

// eslMessage takes a message: its head with the empty line, and its body. over
// says that more belonged to them.
func (c *Conn) eslMessage(head, body []byte, over bool) {
	first, rest, _ := bytes.Cut(head, []byte{'\n'})
	if verb := firstWord(first); len(verb) == 0 || verb[len(verb)-1] != ':' {
		c.eslCommand(bytes.TrimSpace(first), rest, body, over)
		return
	}
	kind, _ := field(head, "Content-Type")
	switch {
	case bytes.EqualFold(kind, []byte("command/reply")):
		c.eslReply(head)
	case bytes.EqualFold(kind, []byte("api/response")):
		p := c.inOrder(func(p *pending) bool { return p.api })
		r := Reply{Backend: FreeSWITCH, Transport: ESL, Seq: p.seq, Cut: over}
		r.outcome(body, p.tag)
		c.reply(&r)
	case bytes.EqualFold(kind, []byte("text/event-plain")) && bytes.Contains(body[:min(len(body), 64)], []byte("BACKGROUND_JOB")):
		c.Stats.Events++
		c.plainJob(body, over)
	case bytes.EqualFold(kind, []byte("text/event-json")) && bytes.Contains(body[:min(len(body), 128)], []byte("BACKGROUND_JOB")):
		c.Stats.Events++
		c.jsonJob(body, over)
	case bytes.HasPrefix(kind, []byte("text/")), bytes.Equal(kind, []byte("log/data")), bytes.Equal(kind, []byte("auth/request")):
		c.Stats.Events++
	default:
		c.Stats.Malformed++
	}
}

// eslCommand takes a command: its line, the fields after it, its body.
func (c *Conn) eslCommand(line, fields, body []byte, over bool) {
	verb := firstWord(line)
	rest := bytes.TrimSpace(line[len(verb):])
	verb = bytes.ToLower(verb)
	r := Request{Backend: FreeSWITCH, Transport: ESL, Verb: string(verb), Command: string(verb), Cut: over}
	p := pending{api: string(verb) == "api", bg: string(verb) == "bgapi"}
	if p.api || p.bg {
		command, args, _ := bytes.Cut(rest, []byte{' '})
		r.Command, rest = clean(command, maxCommand), bytes.TrimSpace(args)
	}
	if p.bg {
		id, _ := field(fields, "Job-UUID")
		r.ID = clean(id, MaxID)
	}
	if r.Verb == "userauth" {
		user, _, _ := bytes.Cut(rest, []byte{':'})
		if at := bytes.IndexByte(rest, '@'); at > len(user) { // user:password@domain
			user = append(bytes.Clone(user), rest[at:]...)
		}
		c.user = clean(user, maxUser)
	}
	r.protect(eslParams(rest, fields, body), textType)
	c.request(&r, p)
}

// eslParams puts what follows a verb into one text.
func eslParams(rest, fields, body []byte) []byte {
	fields, body = without(fields, "Job-UUID"), bytes.TrimSpace(body)
	out := append(bytes.Clone(rest), '\n')
	out = append(out, hideFields(fields)...)
	return append(out, body...)
}

// eslReply takes the reply to a command. That to connect has the channel's data
// around it, in which values are percent-encoded; of the data only the Call-ID is read, which
// what follows on the connection is about, too.
func (c *Conn) eslReply(head []byte) {
	text, _ := field(head, "Reply-Text")
	if bytes.HasPrefix(text, []byte("%2B")) {
		text = bytes.TrimSuffix(append([]byte{'+'}, text[3:]...), []byte("%0A"))
	}
	if v, has := field(head, "variable_sip_call_id"); has {
		if plain, err := url.PathUnescape(string(v)); err == nil && len(plain) <= maxCall {
			c.call = clean([]byte(plain), maxCall)
		}
	}
	id, _ := field(head, "Job-UUID")
	p := c.inOrder(func(p *pending) bool {
		return len(id) == 0 && failed(text) || p.bg == (len(id) > 0) && !p.api
	})
	r := Reply{Backend: FreeSWITCH, Transport: ESL, Seq: p.seq, ID: clean(id, MaxID), Call: c.call, OK: !failed(text)}
	r.reply(text, nil, textType, p.tag.hides())
	if len(id) > 0 && p.seq != 0 {
		p.id = r.ID
		if len(c.jobs) == maxPending {
			c.jobs = c.jobs[:copy(c.jobs, c.jobs[1:])]
		}
		c.jobs = append(c.jobs, p)
	}
	c.reply(&r)
}

// outcome sets what a command put out.
func (r *Reply) outcome(body []byte, tag Tag) {
	r.OK = !failed(body)
	line, _, _ := bytes.Cut(body, []byte{'\n'})
	if !bytes.HasPrefix(line, []byte{'+'}) && !bytes.HasPrefix(line, []byte{'-'}) {
		line = nil
	}
	r.reply(line, body, textType, tag.hides())
}

// failed says whether the platform's word is one of failure.
func failed(text []byte) bool { return bytes.HasPrefix(text, []byte("-")) }

// job tells of the outcome of a background job.
func (c *Conn) job(id, body []byte, over bool) {
	r := Reply{Backend: FreeSWITCH, Transport: ESL, ID: clean(id, MaxID), Job: true, Cut: over}
	var p pending
	for i := range c.jobs {
		if c.jobs[i].id == r.ID {
			p = c.jobs[i]
			c.jobs = c.jobs[:i+copy(c.jobs[i:], c.jobs[i+1:])]
			break
		}
	}
	r.Seq = p.seq
	r.outcome(body, p.tag)
	c.reply(&r)
}

// plainJob takes the event BACKGROUND_JOB out of a body: fields, an empty line,
// what the command put out.
func (c *Conn) plainJob(b []byte, over bool) {
	head, body, _ := bytes.Cut(b, []byte("\n\n"))
	name, _ := field(head, "Event-Name")
	if string(name) != "BACKGROUND_JOB" {
		return
	}
	id, _ := field(head, "Job-UUID")
	c.job(id, body, over)
}

// jsonJob is plainJob for an event in JSON, whose member _body has the output.
func (c *Conn) jsonJob(b []byte, over bool) {
	var id, body []byte
	named := false
	m := object(b, blank(b, 0))
	for {
		name, value, more := m.next()
		if !more {
			break
		}
		switch string(name) {
		case "Event-Name":
			named = string(value) == `"BACKGROUND_JOB"`
		case "Job-UUID":
			id, _ = isString(value)
		case "_body":
			if len(value) > 0 && value[0] == '"' {
				body = unquote(nil, bytes.TrimSuffix(value[1:], []byte{'"'}))
			}
		}
	}
	if named {
		c.job(id, body, over || m.cut)
	}
}
