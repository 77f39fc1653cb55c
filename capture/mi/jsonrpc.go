package mi

import "bytes"

// rpcParts are the members of a JSON-RPC 2.0 object (JSON-RPC 2.0, 4 and 5), as
// they stand in the text.
type rpcParts struct {
	version                           bool
	method, params, id, result, fault []byte
	cut                               bool // the text ended inside
	end                               int  // behind the object, unless cut
}

// rpcObject reads the object at b[i].
func rpcObject(b []byte, i int) (p rpcParts, ok bool) {
	m := object(b, i)
	for {
		name, value, more := m.next()
		if !more {
			break
		}
		switch string(name) {
		case "jsonrpc":
			p.version = string(value) == `"2.0"`
		case "method":
			if !m.cut {
				p.method, _ = isString(value)
			}
		case "params":
			p.params = value
		case "id":
			if !m.cut {
				p.id = value
			}
		case "result":
			p.result = value
		case "error":
			p.fault = value
		}
	}
	p.cut, p.end = m.cut, m.end
	return p, !m.bad
}

func (p *rpcParts) isRequest() bool {
	return p.version && isCommand(p.method) && p.result == nil && p.fault == nil
}

// isReply takes "error": null beside a result, as version 1.0 had it, for none.
func (p *rpcParts) isReply() bool {
	return p.version && p.method == nil && (p.result != nil || p.fault != nil)
}

// rpcBackend tells Kamailio's names from OpenSIPS's.
func rpcBackend(method []byte) Backend {
	if bytes.IndexByte(method, '.') > 0 {
		return Kamailio
	}
	return OpenSIPS
}

// jsonRequest reads a request or a batch of them.
func jsonRequest(b []byte, t Transport) (Request, bool) {
	var all []Request
	more := 0
	whole := eachObject(b, func(p *rpcParts) bool {
		switch {
		case !p.isRequest():
			return false
		case len(all) == MaxBatch:
			more++
		default:
			all = append(all, p.request(t))
		}
		return true
	})
	if !whole || len(all) == 0 {
		return Request{}, false
	}
	r := all[0]
	r.Batch, r.More = all[1:len(all):len(all)], more
	if len(r.Batch) == 0 {
		r.Batch = nil
	}
	return r, true
}

func (p *rpcParts) request(t Transport) Request {
	r := Request{Backend: rpcBackend(p.method), Transport: t, Command: string(p.method), ID: text(p.id, MaxID), Cut: p.cut}
	r.NoReply = p.id == nil && !p.cut && r.Backend == OpenSIPS // Kamailio answers all
	r.protect(p.params, jsonType)
	return r
}

// eachObject calls f with the object that b is, or with each of the array that
// b is, as far as b goes. It is false if b is neither, or f was.
func eachObject(b []byte, f func(*rpcParts) bool) bool {
	i := blank(b, 0)
	if i == len(b) {
		return false
	}
	if b[i] == '{' {
		p, ok := rpcObject(b, i)
		return ok && f(&p)
	}
	if b[i] != '[' {
		return false
	}
	for {
		i = blank(b, i+1)
		if i == len(b) {
			return true
		}
		p, ok := rpcObject(b, i)
		if !ok || !f(&p) {
			return false
		}
		if p.cut {
			return true
		}
		i = blank(b, p.end)
		if i == len(b) || b[i] == ']' {
			return true
		}
		if b[i] != ',' {
			return false
		}
	}
}

// jsonReply reads a reply or a batch of them.
func jsonReply(tag Tag, b []byte) (Reply, bool) {
	var all []Reply
	more := 0
	whole := eachObject(b, func(p *rpcParts) bool {
		switch {
		case !p.isReply():
			return false
		case len(all) == MaxBatch:
			more++
		default:
			all = append(all, p.reply(tag))
		}
		return true
	})
	if !whole || len(all) == 0 {
		return Reply{}, false
	}
	r := all[0]
	if len(all) > 1 {
		r.Batch = all[1:len(all):len(all)]
	}
	r.More = more
	return r, true
}

func (p *rpcParts) reply(tag Tag) Reply {
	r := Reply{Backend: tag.Backend, Transport: tag.Transport, ID: text(p.id, MaxID), Cut: p.cut}
	if p.fault == nil || string(p.fault) == "null" && p.result != nil {
		r.OK = true
		r.reply(nil, p.result, jsonType, tag.hides())
		return r
	}
	var word []byte
	for m := object(p.fault, 0); ; {
		name, value, more := m.next()
		if !more {
			break
		}
		switch string(name) {
		case "code":
			r.Status = number(value)
		case "message":
			if s, ok := isString(value); ok {
				word = unquote(nil, s)
			}
		}
	}
	r.reply(word, p.fault, jsonType, tag.hides())
	return r
}
