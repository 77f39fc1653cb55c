package beyond

import (
	"heptap/capture"
	"heptap/capture/correlate"
	"heptap/capture/mi"
	"heptap/capture/record"
)

// maxMICommands is the most octets of the commands that a pair keeps, and of parameters.
const maxMICommands = (1+mi.MaxBatch)*(128+mi.MaxID) + mi.MaxParams + maxCallID

// miRequest is what the reply to a management command does not say itself.
type miRequest struct {
	tag      mi.Tag
	commands []command
	params   string        // of the one that named a call, for what follows to be linked to it too
	call     string        // its mi.Request.Call
	tell     func() uint64 // of the connection that it goes over, nil without records of that
	talk     talk          // of datagrams
}

// command is one of a request.
type command struct {
	name string // "" for one that is filtered: no records are made of it
	id   string // of JSON-RPC, by which a reply in a batch is told (JSON-RPC 2.0, 6)
}

// command returns the one that a reply with that id is to, and whether that is known.
func (r *miRequest) command(id string) (c command, known bool) {
	if len(r.commands) == 1 {
		return r.commands[0], true
	}
	for i := range r.commands {
		if r.commands[i].id != id || id == "" {
			continue
		}
		if known {
			return command{}, false
		}
		c, known = r.commands[i], true
	}
	return c, known
}

// shown returns the name of the first command that is not filtered, "" if all are, and whether
// any is.
func (r *miRequest) shown() (first string, filtered bool) {
	for i := len(r.commands) - 1; i >= 0; i-- {
		if name := r.commands[i].name; name != "" {
			first = name
		} else {
			filtered = true
		}
	}
	return first, filtered
}

// carrier is the id of the connection that something goes over, whose first record is
// made now if there is none yet; 0 without records of it.
func carrier(tell func() uint64) uint64 {
	if tell == nil {
		return 0
	}
	return tell()
}

// miCommands makes notes of the commands of r that the filters pass, and keeps
// with p which they are, if it is fresh.
func (b *Beyond) miCommands(m *capture.Message, p *pair[miRequest], r *mi.Request, fresh bool) {
	if r.More > 0 {
		b.Stats.MIFiltered.Add(uint64(r.More))
	}
	for i := -1; i < len(r.Batch); i++ {
		one := r
		if i >= 0 {
			one = &r.Batch[i]
		}
		name := one.Command
		if !b.cfg.Filters.pass(one.Backend, name) {
			b.Stats.MIFiltered.Add(1)
			name = ""
		}
		if fresh {
			p.of.commands = append(p.of.commands, command{name, one.ID})
		}
		if name != "" {
			b.miCommand(m, p, one, fresh)
		}
	}
}

// miCommand makes a note of one command, linked to the calls that its parameters
// name.
func (b *Beyond) miCommand(m *capture.Message, p *pair[miRequest], r *mi.Request, fresh bool) {
	n := b.begin(m, record.MI)
	n.Conn = carrier(p.of.tell)
	b.log.find([]byte(r.Params))
	b.log.call(r.Call)
	n.Begins = fresh
	b.log.ids(n)
	n.Where = m.Flow.Dst.Addr().Unmap().AppendTo(b.log.source[:0])
	p.name(b, "mi")
	o := b.object()
	o.text("event", "MI "+r.Command)
	o.text("command", r.Command)
	o.text("backend", r.Transport.String())
	o.text("parameters", r.Params)
	o.text("platform", r.Backend.String())
	o.text("user", r.User)
	o.text("rpc_id", r.ID)
	b.miFlags(&o, m, r.Secret, r.Cut)
	if !fresh {
		o.bool("again", true)
	}
	n.Payload = b.done(&o)
	if b.cfg.Correlator.Note(n) {
		p.of.params, p.of.call = r.Params, r.Call
	}
}

// calls links the note at hand to the calls that the command named, once more.
func (r *miRequest) calls(b *Beyond, n *correlate.Note) {
	if r.params != "" || r.call != "" {
		b.log.find([]byte(r.params))
		b.log.call(r.call)
		b.log.ids(n)
		n.Names = nil
	}
}

func (b *Beyond) miFlags(o *object, m *capture.Message, hidden, cut bool) {
	if hidden {
		o.bool("hidden", true)
	}
	if cut || m.Flags&capture.CutShort != 0 {
		o.bool("truncated", true)
	}
}

// miAnswers makes notes of the replies in r, which is one to p.
func (b *Beyond) miAnswers(m *capture.Message, p *pair[miRequest], r *mi.Reply) {
	b.miAnswer(m, p, r)
	for i := range r.Batch {
		b.miAnswer(m, p, &r.Batch[i])
	}
}

// miAnswer makes a note of a reply to p, unless its command is filtered, or may be.
func (b *Beyond) miAnswer(m *capture.Message, p *pair[miRequest], r *mi.Reply) {
	to, known := p.of.command(r.ID)
	if _, filtered := p.of.shown(); filtered && to.name == "" {
		b.Stats.MIFiltered.Add(1)
		return
	}
	n := b.begin(m, record.MI)
	n.Conn = carrier(p.of.tell)
	p.name(b, "mi")
	if p.of.call == "" {
		p.of.call = r.Call // of the reply to connect
	}
	p.of.calls(b, n)
	o := b.object()
	word := "failed"
	if r.OK {
		word = "ok"
	}
	if known {
		word = to.name + " " + word
	}
	o.text("event", "MI "+word)
	o.text("command", to.name)
	if p.of.talk.ambiguous {
		o.text("unpaired", "ambiguous")
	}
	o.text("backend", r.Transport.String())
	if r.Status != 0 {
		o.int("code", int64(r.Status))
	}
	o.text("reason", r.Word)
	o.text("reply", r.Output)
	o.bool("ok", r.OK)
	o.text("platform", r.Backend.String())
	o.text("rpc_id", r.ID)
	if !p.of.talk.ambiguous {
		o.ms("took_ms", p.took(m))
	}
	b.miFlags(&o, m, r.Hidden, r.Cut)
	n.Payload = b.done(&o)
	b.cfg.Correlator.Note(n)
}

// miFailed makes a note that p has no reply.
func (b *Beyond) miFailed(m *capture.Message, p *pair[miRequest], f *failure) {
	name, _ := p.of.shown()
	if name == "" {
		return // all were filtered
	}
	n := b.begin(m, record.MI)
	n.Conn = carrier(p.of.tell)
	p.name(b, "mi")
	p.of.calls(b, n)
	o := b.object()
	o.text("event", "MI "+name+" failed: "+f.why.String())
	o.text("command", name)
	o.text("backend", p.of.tag.Transport.String())
	o.text("platform", p.of.tag.Backend.String())
	f.tell(&o, p.mono-1)
	n.Payload = b.done(&o)
	b.cfg.Correlator.Note(n)
}
