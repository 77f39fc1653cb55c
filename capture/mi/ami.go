package mi

import "bytes"

// The manager interface (AMI): messages of header fields that an empty line ends.
// An action of the client has Action among them; Asterisk's begin with Response
// or Event. Until Asterisk 13 the reply to the action Command was followed by raw
// output, up to the mark at the end of a line, and empty lines inside it.
const (
	amiBanner = "Asterisk Call Manager/"
	endMark   = "--END COMMAND--"
)

func frontAMI(b []byte) verdict {
	return begins(b, amiBanner, "Action:", "Response: Success\r\n", "Response: Error\r\n", "Response: Follows\r\n", "Response: Goodbye\r\n")
}

// amiFollows says whether a message that begins with b has raw output.
func amiFollows(b []byte) bool {
	return begins(b, "Response: Follows\r\n", "Response: Follows\n") == yes
}

// amiMessage takes a message with its empty line. over says that more belonged to it.
func (c *Conn) amiMessage(b []byte, over bool) {
	switch {
	case begins(b, "Event:") == yes:
		c.Stats.Events++
	case begins(b, "Response:") == yes:
		c.amiReply(b, over)
	default:
		if action, ok := field(b, "Action"); ok && len(action) > 0 {
			c.amiAction(b, action, over)
		} else {
			c.Stats.Malformed++
		}
	}
}

func (c *Conn) amiAction(b, action []byte, over bool) {
	r := Request{Backend: Asterisk, Transport: AMI, Command: clean(action, maxCommand), Cut: over}
	id, _ := field(b, "ActionID")
	r.ID = clean(id, MaxID)
	if bytes.EqualFold(action, []byte("Login")) {
		user, _ := field(b, "Username")
		c.user = clean(user, maxUser)
	}
	if bytes.EqualFold(action, []byte("Command")) {
		line, _ := field(b, "Command")
		r.Secret = isSecretive(Asterisk, "command "+string(bytes.Join(bytes.Fields(line), []byte{' '})))
	}
	if key, ok := field(b, "Key"); ok && namesSecret(key) { // of DBPut: the name of the value
		r.Secret = true
	}
	r.protect(hideFields(without(b, "Action", "ActionID")), textType)
	c.request(&r, pending{})
}

// without returns the lines of a message but for some fields and empty lines.
func without(b []byte, names ...string) []byte {
	var out []byte
	for line := range bytes.Lines(b) {
		name, _, _ := bytes.Cut(line, []byte{':'})
		if len(bytes.TrimSpace(line)) > 0 && !isOneOf(name, names) {
			out = append(out, line...)
		}
	}
	return out
}

func (c *Conn) amiReply(b []byte, over bool) {
	id, has := field(b, "ActionID")
	var p pending
	if has && len(id) > 0 {
		p = c.byID(clean(id, MaxID))
	} else {
		p = c.inOrder(func(p *pending) bool { return p.id == "" })
	}
	word, _ := field(b, "Response")
	r := Reply{Backend: Asterisk, Transport: AMI, Seq: p.seq, ID: clean(id, MaxID), Cut: over}
	r.OK = !bytes.EqualFold(word, []byte("Error"))
	output := amiOutput(b)
	r.reply(word, output, textType, p.tag.hides())
	if r.Hidden && (string(word) == "Success" || string(word) == "Error") {
		r.Word = string(word)
	}
	c.reply(&r)
}

// amiOutput returns what a reply says: the lines of Output without their label if
// there are any, else all other fields, and the raw output up to its mark.
func amiOutput(b []byte) []byte {
	b, _, _ = bytes.Cut(b, []byte(endMark))
	fields := without(b, "Response", "ActionID", "Privilege")
	var out []byte
	for line := range bytes.Lines(fields) {
		if value, ok := bytes.CutPrefix(line, []byte("Output:")); ok {
			out = append(append(out, bytes.TrimSpace(value)...), '\n')
		}
	}
	if out != nil {
		return out
	}
	return hideFields(fields)
}
