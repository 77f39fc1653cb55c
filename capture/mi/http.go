package mi

import (
	"bytes"
	"net/url"
)

// HTTPRequest reads a management command out of an HTTP request whose body is
// whole or cut at its end: target is the request target, path and query;
// contentType may be empty. ok is false when it is none.
//
// JSON-RPC and XML-RPC are recognised by the body, whatever the path; a path of
// /mi, /json, /RPC, /RPC2 or the like only tells whose they are. The forms that
// have everything in the path, of mi_json and mi_html, are recognised by it, at
// their default roots: GET /json/COMMAND and /mi/MODULE/COMMAND.
func HTTPRequest(method, target, contentType, body []byte) (r Request, ok bool) {
	path, query, _ := bytes.Cut(target, []byte{'?'})
	body = bytes.TrimPrefix(body[:min(len(body), maxMasked)], []byte("\xef\xbb\xbf"))
	i := blank(body, 0)
	switch {
	case string(method) == "POST" && i < len(body) && (body[i] == '{' || body[i] == '['):
		if r, ok = jsonRequest(body, JSON); ok {
			r.owner(path)
		}
		return r, ok
	case string(method) == "POST" && i < len(body) && body[i] == '<':
		if r, ok = xmlRequest(body[i:]); ok {
			r.owner(path)
		}
		return r, ok
	case string(method) == "GET":
		if command, ok := bytes.CutPrefix(path, []byte("/json/")); ok {
			return form(JSON, command, query, "params")
		}
		if rest, ok := bytes.CutPrefix(path, []byte("/mi/")); ok {
			return htmlForm(rest, query)
		}
	case string(method) == "POST" && bytes.HasPrefix(contentType, []byte("application/x-www-form-urlencoded")):
		if rest, ok := bytes.CutPrefix(path, []byte("/mi/")); ok {
			return htmlForm(rest, body)
		}
	}
	return Request{}, false
}

// owner makes AnyRPC of a request that only its lack of a dot calls OpenSIPS's,
// or its dot Kamailio's, when the path is none of theirs.
func (r *Request) owner(path []byte) {
	root := bytes.ToLower(bytes.Trim(path, "/"))
	if n := bytes.IndexByte(root, '/'); n >= 0 {
		root = root[:n]
	}
	switch string(root) {
	case "mi", "json", "opensips", "opensips_mi":
		if r.Backend != FreeSWITCH {
			r.belongs(OpenSIPS)
		}
	case "rpc", "rpc2", "xmlrpc", "jsonrpc", "kamailio":
	default:
		if r.Backend != FreeSWITCH {
			r.belongs(AnyRPC)
		}
	}
}

func (r *Request) belongs(b Backend) {
	r.Backend = b
	for i := range r.Batch {
		r.Batch[i].Backend = b
	}
}

// htmlForm reads MODULE/COMMAND and the field arg; a MODULE alone asks for a menu.
func htmlForm(rest, fields []byte) (Request, bool) {
	module, command, ok := bytes.Cut(rest, []byte{'/'})
	if !ok || !isCommand(module) {
		return Request{}, false
	}
	return form(HTML, bytes.TrimSuffix(command, []byte{'/'}), fields, "arg")
}

// form makes a request of a command and the form field that has its parameters.
func form(t Transport, command, fields []byte, field string) (Request, bool) {
	if !isCommand(command) || bytes.IndexByte(command, '/') >= 0 {
		return Request{}, false
	}
	r := Request{Backend: OpenSIPS, Transport: t, Command: string(command)}
	var params []byte
	for f := range bytes.SplitSeq(fields[:min(len(fields), maxMasked)], []byte{'&'}) {
		name, value, _ := bytes.Cut(f, []byte{'='})
		if string(name) != field {
			continue
		}
		if s, err := url.QueryUnescape(string(value)); err == nil {
			value = []byte(s)
		}
		if len(params) > 0 {
			params = append(params, '\n')
		}
		params = append(params, value...)
	}
	r.protect(params, textType)
	return r, true
}

// HTTPReply reads the reply to the request that tag is of, out of an HTTP
// response whose body is whole or cut at its end. A response without a reply in
// it, such as an error of the web server, is one too: its status is HTTP's. ok
// is false for the zero Tag.
func HTTPReply(tag Tag, status int, contentType, body []byte) (Reply, bool) {
	if tag.Backend == NoBackend {
		return Reply{}, false
	}
	body = bytes.TrimPrefix(body[:min(len(body), maxMasked)], []byte("\xef\xbb\xbf"))
	i := blank(body, 0)
	if tag.Transport == JSON && i < len(body) {
		if r, ok := jsonReply(tag, body); ok {
			return r, true
		}
	}
	if tag.Transport == XMLRPC && i < len(body) {
		if r, ok := xmlReply(tag, body[i:]); ok {
			return r, true
		}
	}
	r := Reply{Backend: tag.Backend, Transport: tag.Transport, Status: status, OK: status >= 200 && status < 300}
	if tag.Transport == HTML {
		r.reply(nil, pre(body), textType, tag.hides())
	} else {
		r.reply(nil, body, string(contentType[:min(len(contentType), 128)]), tag.hides())
	}
	return r, true
}

// pre returns the text of the <pre> element of a page, which is where mi_html
// puts a reply, or all that is no tag.
func pre(page []byte) []byte {
	if n := bytes.Index(page, []byte("<pre>")); n >= 0 {
		page = page[n+len("<pre>"):]
		page, _, _ = bytes.Cut(page, []byte("</pre>"))
	}
	x := xmlReader{b: page}
	var out []byte
	for {
		switch t := x.next(); t.kind {
		case xmlEnd:
			return out
		case xmlText:
			out = unescapeXML(out, t.text)
		case xmlCData:
			out = append(out, t.text...)
		}
	}
}
