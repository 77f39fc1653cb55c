package mi

import "bytes"

// The line format of OpenSIPS 1.x and 2.x (mi_datagram, mi_fifo):
//
//	:command:reply_fifo          the name of the FIFO is empty over UDP
//	value                        one parameter a line, quoted or not,
//	name::value                  with a name or without
//
//	200 OK                       the reply: code and reason,
//	name:: value attribute=value then a tree, indented by its depth

// lineRequest takes a datagram in the line format apart.
func lineRequest(b []byte) (command, params []byte, ok bool) {
	if len(b) < 3 || b[0] != ':' {
		return nil, nil, false
	}
	line, params, _ := bytes.Cut(b[1:], []byte{'\n'})
	command, fifo, ok := bytes.Cut(bytes.TrimSuffix(line, []byte{'\r'}), []byte{':'})
	if !ok || !isCommand(command) || bytes.IndexByte(command, '/') >= 0 {
		return nil, nil, false
	}
	if len(fifo) > 0 && !isCommand(fifo) {
		return nil, nil, false
	}
	return command, params, printable(params)
}

// printable says whether b can be text.
func printable(b []byte) bool {
	for i, c := range b {
		if c < ' ' && c != '\n' && c != '\r' && c != '\t' && (c != 0 || i < len(b)-1) || c == 0x7f {
			return false
		}
	}
	return true
}

func lineRequestOf(b []byte) (Request, bool) {
	command, params, ok := lineRequest(b)
	if !ok {
		return Request{}, false
	}
	r := Request{Backend: OpenSIPS, Transport: Datagram, Command: string(command)}
	r.protect(params, textType)
	return r, true
}

// lineStatus reads "200 OK\n", or the plain text of an error. ok is false when
// the line does not begin with a code.
func lineStatus(b []byte) (code int, word, rest []byte, ok bool) {
	line, rest, _ := bytes.Cut(b, []byte{'\n'})
	line = bytes.TrimRight(line, "\r\x00")
	if len(line) < 3 || len(line) > 3 && line[3] != ' ' {
		return 0, nil, nil, false
	}
	for _, c := range line[:3] {
		if c < '0' || c > '9' {
			return 0, nil, nil, false
		}
		code = code*10 + int(c-'0')
	}
	if code < 100 || code > 699 {
		return 0, nil, nil, false
	}
	return code, bytes.TrimSpace(line[3:]), rest, true
}

func lineReply(tag Tag, b []byte) (Reply, bool) {
	if len(b) == 0 || !printable(b) {
		return Reply{}, false
	}
	r := Reply{Backend: tag.Backend, Transport: tag.Transport}
	code, word, rest, ok := lineStatus(b)
	if !ok {
		word, rest = b, nil // what the engine says when it cannot answer in form
	}
	r.Status, r.OK = code, code >= 200 && code < 300
	r.reply(word, rest, textType, tag.hides())
	return r, true
}
