package isup

import (
	"encoding/binary"
	"encoding/hex"
	"strconv"
)

const (
	maxOctets   = 64       // of a parameter, written in hexadecimal
	maxItems    = 16       // of a parameter that is a list, put into words
	maxReadable = 32 << 10 // octets of JSON after which no other parameter is begun
)

// AppendReadable appends every parameter, in the order of the message, as a JSON
// array of objects:
//
//	code    the parameter's number
//	name    its name, left out when Q.763 has none
//	number  digits, of those that are numbers
//	text    what it says, in words
//	hex     octets that were not put into words, 64 at most
//	octets  how many there are, when hex has not all
//
// Lists inside a parameter are put into words up to 16 items. After 32 KiB the last
// object says how many parameters are omitted: at most 40 KiB are appended.
//
// A message whose contents have no known layout (a national matter, a passed-along
// message, an unknown type) is one object with hex. Numbers and user-to-user
// information are in number, hex and, as text of IA5, in text.
func (m *Message) AppendReadable(dst []byte) []byte {
	start := len(dst)
	dst = append(dst, '[')
	for i := range m.count {
		if i > 0 {
			dst = append(dst, ',')
		}
		if len(dst)-start > maxReadable {
			dst = append(appendUint(append(dst, '{'), "omitted", uint32(m.count-i)), '}')
			break
		}
		code, value := m.Parameter(i)
		dst = m.appendParameter(dst, code, value)
	}
	if f := m.Type.format(); len(m.octets) > 1 && (f.opaque || f.name == "") {
		dst = append(appendHex(append(dst, `{"name":"Contents"`...), m.octets[1:]), '}')
	}
	return append(dst, ']')
}

func (m *Message) appendParameter(dst []byte, code Code, value []byte) []byte {
	dst = appendUint(append(dst, '{'), "code", uint32(code))
	if name := code.String(); name != "" {
		dst = appendWord(dst, "name", name)
	}
	if len(value) < code.least() {
		return append(appendHex(append(dst, `,"text":"too short"`...), value), '}')
	}
	if n, ok := numberOf(code, value); ok {
		dst = append(n.AppendTo(append(dst, `,"number":"`...)), '"')
		dst = append(n.appendText(append(dst, `,"text":"`...)), '"')
		return append(dst, '}')
	}
	start := len(dst)
	dst = append(dst, `,"text":"`...)
	said := len(dst)
	dst, rest := m.appendText(dst, code, value)
	if len(dst) == said {
		dst = dst[:start]
	} else {
		dst = append(dst, '"')
	}
	return append(appendHex(dst, rest), '}')
}

// appendText appends what a number says beside its digits.
func (n *Number) appendText(dst []byte) []byte {
	start, has := len(dst), layout(n.Code)
	if has&hasQualifier != 0 {
		dst = appendItem(dst, start, "", word(qualifiers, n.Qualifier))
	}
	if has&hasPlan != 0 {
		dst = appendItem(dst, start, "", word(natures, n.Nature))
		dst = appendItem(dst, start, "", word(plans, n.Plan))
	}
	flag := uint8(0)
	if n.Flag {
		flag = 1
	}
	if has&hasINN != 0 {
		dst = appendItem(dst, start, "", internalNumbers[flag])
	}
	if has&hasNI != 0 {
		dst = appendItem(dst, start, "", incompletes[flag])
	}
	if has&hasPresentation != 0 {
		dst = appendItem(dst, start, "", word(presentations, n.Presentation))
	}
	if has&hasScreening != 0 {
		words := screenings
		if has&unverified != 0 {
			words = allScreenings
		}
		dst = appendItem(dst, start, "", word(words, n.Screening))
	}
	if n.Complete() {
		dst = appendItem(dst, start, "", "end of number signalled")
	}
	return dst
}

// appendText appends a parameter in words that need no escaping, and returns
// the octets that they do not cover.
func (m *Message) appendText(dst []byte, code Code, value []byte) (text, rest []byte) {
	if list := fields(code); list != nil {
		return appendIndicators(dst, list, value)
	}
	start := len(dst)
	switch code {
	case CauseIndicators:
		return appendCauseText(dst, value)
	case RangeAndStatus:
		return m.appendRange(dst, value), nil
	case CircuitState:
		return m.appendStates(dst, value), nil
	case UserServiceInformation, UserServicePrime:
		return appendBearerText(dst, value), value
	case AccessTransport:
		return appendElements(dst, value), value
	case UserToUserInformation:
		return appendUser(dst, value)
	case UserToUserIndicators:
		if value[0]&1 == 0 {
			return appendIndicators(dst, userRequest, value)
		}
		return appendIndicators(dst, userResponse, value)
	case LoopPrevention:
		if value[0]&1 == 0 {
			return appendIndicators(dst, loopRequest, value)
		}
		return appendIndicators(dst, loopResponse, value)
	case GenericNotification:
		n := min(len(value), maxItems)
		for _, b := range value[:n] {
			dst = appendItem(dst, start, "", notification(b&0x7f))
		}
		return dst, value[n:]
	case ParameterCompatibility:
		return appendCompatibility(dst, value), value
	case CallReference:
		dst = appendCount(dst, start, "call identity", uint32(value[0])<<16|uint32(value[1])<<8|uint32(value[2]))
		return appendCount(dst, start, "point code", uint32(binary.LittleEndian.Uint16(value[3:])&0x3fff)), value[5:]
	case SignallingPointCode, OriginationPointCode:
		return appendCount(dst, start, "point code", uint32(binary.LittleEndian.Uint16(value)&0x3fff)), value[2:]
	case CallHistory, PropagationDelay:
		return append(strconv.AppendUint(dst, uint64(binary.BigEndian.Uint16(value)), 10), " ms"...), value[2:]
	case ClosedUserGroup:
		dst = append(appendDigits(append(dst, "network "...), value[:2], false), "; "...)
		return strconv.AppendUint(append(dst, "code "...), uint64(binary.BigEndian.Uint16(value[2:])), 10), value[4:]
	case TransitNetworkSelection:
		dst = appendCount(dst, start, "identification", uint32(value[0]>>4&7))
		dst = appendCount(dst, start, "plan", uint32(value[0]&15))
		return appendDigits(append(dst, "; network "...), value[1:], value[0]&0x80 != 0), nil
	case GenericDigits:
		return appendGenericDigits(dst, value)
	case ConnectionRequest:
		dst = appendCount(dst, start, "local reference", uint32(value[0])<<16|uint32(value[1])<<8|uint32(value[2]))
		return appendCount(dst, start, "point code", uint32(binary.LittleEndian.Uint16(value[3:])&0x3fff)), value[5:]
	case CircuitAssignmentMap:
		dst = appendItem(dst, start, "map", word(assignmentMaps, value[0]&63))
		return dst, value[1:]
	case UserTeleservice:
		return appendItem(dst, start, "", teleservice(value[1]&0x7f)), value
	case ApplicationTransport:
		return appendCount(dst, start, "application context", uint32(value[0]&0x7f)), value[1:]
	case DisplayInformation:
		return appendIA5(dst, value), value
	}
	return dst, value
}

// appendIndicators appends "name: word; name: word" of the fields that value
// is long enough for.
func appendIndicators(dst []byte, list []field, value []byte) (text, rest []byte) {
	start, covered := len(dst), 0
	for i := range list {
		f := &list[i]
		if int(f.octet) >= len(value) {
			break
		}
		covered = max(covered, int(f.octet)+1)
		n := f.of(value)
		switch {
		case f.words == nil:
			dst = appendCount(dst, start, f.name, uint32(n))
		case word(f.words, n) == "spare":
			dst = appendItem(dst, start, f.name, "spare ")
			dst = strconv.AppendUint(dst, uint64(n), 10)
		default:
			dst = appendItem(dst, start, f.name, word(f.words, n))
		}
	}
	return dst, value[covered:]
}

// appendItem appends "name: text" or, without a name, text; a semicolon before
// it unless the text begins at start, here.
func appendItem(dst []byte, start int, name, text string) []byte {
	if len(dst) > start {
		dst = append(dst, "; "...)
	}
	if name != "" {
		dst = append(append(dst, name...), ": "...)
	}
	return append(dst, text...)
}

func appendCount(dst []byte, start int, name string, n uint32) []byte {
	return strconv.AppendUint(appendItem(dst, start, name, ""), uint64(n), 10)
}

func appendCauseText(dst, value []byte) (text, rest []byte) {
	c, ok := causeOf(value)
	if !ok {
		return dst, value
	}
	start := len(dst)
	dst = strconv.AppendUint(dst, uint64(c.Value), 10)
	if t := c.Text(); t != "" {
		dst = append(append(dst, ' '), t...)
	}
	dst = appendItem(dst, start, "location", word(causeLocations, c.Location))
	dst = appendItem(dst, start, "coding", word(causeStandards, c.Standard))
	return dst, c.Diagnostics
}

// appendRange appends which circuits a group message is about, and which its
// status marks.
func (m *Message) appendRange(dst, value []byte) []byte {
	n := int(value[0]) + 1
	dst = strconv.AppendInt(append(dst, "range "...), int64(value[0]), 10)
	dst = strconv.AppendInt(append(dst, "; circuits "...), int64(m.CIC), 10)
	dst = strconv.AppendInt(append(dst, '-'), int64(m.CIC)+int64(n-1), 10)
	if !m.HasCIC {
		dst = append(dst, " from its own on"...)
	}
	if len(value) == 1 {
		return dst
	}
	dst = append(dst, "; marked"...)
	none := true
	for i := 0; i < n; i++ {
		if !m.marked(i) {
			continue
		}
		none = false
		dst = strconv.AppendInt(append(dst, ' '), int64(m.CIC)+int64(i), 10)
		first := i
		for i+1 < n && m.marked(i+1) {
			i++
		}
		if i > first {
			dst = strconv.AppendInt(append(dst, '-'), int64(m.CIC)+int64(i), 10)
		}
	}
	if none {
		dst = append(dst, " none"...)
	}
	return dst
}

// appendStates appends the state of each circuit, 32 at most (Q.763 3.43).
func (m *Message) appendStates(dst, value []byte) []byte {
	start := len(dst)
	for i, state := range value[:min(len(value), 32)] {
		dst = strconv.AppendUint(appendItem(dst, start, "", "circuit "), uint64(m.CIC)+uint64(i), 10)
		list := stateFields
		if state>>2&3 == 0 {
			list = transientFields
		}
		dst, _ = appendIndicators(append(dst, ": "...), list, value[i:i+1])
	}
	return dst
}

func appendBearerText(dst, value []byte) []byte {
	b, start := bearerOf(value), len(dst)
	dst = appendItem(dst, start, "", word(codingStandards, b.standard))
	if b.standard != 0 {
		return dst
	}
	dst = appendItem(dst, start, "", capability(b.capability))
	dst = appendItem(dst, start, "", word(transferModes, b.mode))
	dst = appendItem(dst, start, "", rate(b.rate))
	if b.rate == multirate {
		dst = appendCount(dst, start, "multiplier", uint32(b.multiplier))
	}
	if b.hasLayer1 && b.ident == 1 {
		dst = appendItem(dst, start, "", layer1(b.protocol))
	}
	return dst
}

// appendElements names the information elements of Q.931 in an access transport.
func appendElements(dst, value []byte) []byte {
	start := len(dst)
	for n := 0; len(value) > 0 && n < maxItems; n++ {
		id := value[0]
		if id&0x80 != 0 { // a single octet
			dst = appendItem(dst, start, "", "single octet element")
			value = value[1:]
			continue
		}
		if len(value) < 2 || 2+int(value[1]) > len(value) {
			return appendItem(dst, start, "", "an element that is cut")
		}
		content := value[2 : 2+int(value[1])]
		value = value[2+len(content):]
		if name := element(id); name != "" {
			dst = appendItem(dst, start, "", name)
		} else {
			dst = appendCount(dst, start, "element", uint32(id))
		}
		if id == progressIndicator && len(content) >= 2 {
			dst = append(append(dst, ' '), progress(content[len(content)-1]&0x7f)...)
		}
	}
	return dst
}

const progressIndicator = 0x1e

// element names an information element (Q.931 4.5.1), or returns "".
func element(id byte) string {
	switch id {
	case 0x04:
		return "bearer capability"
	case 0x08:
		return "cause"
	case 0x1c:
		return "facility"
	case progressIndicator:
		return "progress indicator"
	case 0x27:
		return "notification indicator"
	case 0x28:
		return "display"
	case 0x4c:
		return "connected number"
	case 0x4d:
		return "connected subaddress"
	case 0x6c:
		return "calling party number"
	case 0x6d:
		return "calling party subaddress"
	case 0x70:
		return "called party number"
	case 0x71:
		return "called party subaddress"
	case 0x7c:
		return "low layer compatibility"
	case 0x7d:
		return "high layer compatibility"
	case 0x7e:
		return "user-user"
	}
	return ""
}

// teleservice names high layer characteristics (Q.931 4.5.17).
func teleservice(n byte) string {
	switch n {
	case 0x01:
		return "telephony"
	case 0x04:
		return "facsimile group 2/3"
	case 0x21:
		return "facsimile group 4"
	case 0x28, 0x31:
		return "teletex"
	case 0x32:
		return "videotex"
	case 0x35:
		return "telex"
	case 0x38:
		return "message handling systems"
	case 0x41:
		return "OSI application"
	case 0x60:
		return "videotelephony"
	}
	return ""
}

// progress names a progress description (Q.931 4.5.23).
func progress(n byte) string {
	switch n {
	case 1:
		return "(call is not end-to-end ISDN)"
	case 2:
		return "(destination is non-ISDN)"
	case 3:
		return "(origination is non-ISDN)"
	case 4:
		return "(call has returned to the ISDN)"
	case 5:
		return "(interworking with a change of service)"
	case 8:
		return "(in-band information available)"
	}
	return "(unknown)"
}

// appendUser appends user-to-user information: protocol discriminator and
// what follows (Q.763 3.61, Q.931 4.5.30).
func appendUser(dst, value []byte) (text, rest []byte) {
	dst = appendCount(dst, len(dst), "protocol", uint32(value[0]))
	if value[0] == 4 {
		dst = appendIA5(append(dst, " (IA5): "...), value[1:])
	}
	return dst, value[1:]
}

// appendIA5 appends 64 characters at most, dots for those that are not printable or
// that JSON would have escaped.
func appendIA5(dst, value []byte) []byte {
	for _, c := range value[:min(len(value), maxOctets)] {
		if c < ' ' || c > '~' || c == '"' || c == '\\' {
			c = '.'
		}
		dst = append(dst, c)
	}
	return dst
}

// appendCompatibility appends what is to be done with each upgraded parameter
// (Q.763 3.41): its code and an octet, extended when that has no bit 8.
func appendCompatibility(dst, value []byte) []byte {
	start := len(dst)
	for n := 0; len(value) >= 2 && n < maxItems; n++ {
		if len(dst) > start {
			dst = append(dst, "; "...)
		}
		dst = append(appendName(dst, Code(value[0])), " ("...)
		dst, _ = appendIndicators(dst, parameterFields, value[1:2])
		dst = append(dst, ')')
		value = value[1:]
		for len(value) > 0 && value[0]&0x80 == 0 {
			value = value[1:]
		}
		value = value[min(1, len(value)):]
	}
	return dst
}

// appendGenericDigits appends Q.763 3.24: encoding 3 bits, type 5 bits.
func appendGenericDigits(dst, value []byte) (text, rest []byte) {
	start := len(dst)
	dst = appendCount(dst, start, "type", uint32(value[0]&31))
	switch value[0] >> 5 {
	case 0, 1:
		return appendDigits(append(dst, "; digits "...), value[1:], value[0]>>5 == 1), nil
	case 2:
		return appendIA5(append(dst, "; IA5 "...), value[1:]), value[1:]
	}
	return dst, value[1:]
}

// appendDigits appends BCD digits, low half first.
func appendDigits(dst, value []byte, odd bool) []byte {
	n := Number{signals: value, odd: odd}
	return n.AppendTo(dst)
}

// notification names a generic notification (Q.763 3.25).
func notification(n byte) string {
	switch n {
	case 0:
		return "user suspended"
	case 1:
		return "user resumed"
	case 2:
		return "bearer service change"
	case 4:
		return "call completion delay"
	case 66:
		return "conference established"
	case 67:
		return "conference disconnected"
	case 68:
		return "other party added"
	case 69:
		return "isolated"
	case 70:
		return "reattached"
	case 71:
		return "other party isolated"
	case 72:
		return "other party reattached"
	case 73:
		return "other party split"
	case 74:
		return "other party disconnected"
	case 75:
		return "conference floating"
	case 96:
		return "call is a waiting call"
	case 104:
		return "diversion activated"
	case 105:
		return "call transfer, alerting"
	case 106:
		return "call transfer, active"
	case 121:
		return "remote hold"
	case 122:
		return "remote retrieval"
	case 123:
		return "call is diverting"
	}
	return "reserved"
}

// appendHex appends ,"hex":"..." and, when that is not all, ,"octets":n.
func appendHex(dst, value []byte) []byte {
	if len(value) == 0 {
		return dst
	}
	dst = hex.AppendEncode(append(dst, `,"hex":"`...), value[:min(len(value), maxOctets)])
	dst = append(dst, '"')
	if len(value) > maxOctets {
		dst = appendUint(append(dst, ','), "octets", uint32(len(value)))
	}
	return dst
}
