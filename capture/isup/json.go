package isup

import "strconv"

// AppendJSON appends the message as one JSON object with captagent's keys in
// captagent's order:
//
//	cic, msg_type, msg_name, parameters in the order of the message, opc, dpc, fault
//
// opc and dpc are the label's point codes; they and cic are left out when m has no
// CIC. Of a parameter that is there twice the first is written. Those that captagent
// does not know are left out, AppendReadable has them. fault is there when
// something is wrong.
//
// Where captagent is wrong about Q.763 the values differ, the keys do not: the class of
// a cause, the name of a continuity check, packet mode, an event's number
// without its presentation bit, numbers of any length.
func (m *Message) AppendJSON(dst []byte, opc, dpc uint32) []byte {
	return append(m.AppendMembers(append(dst, '{'), opc, dpc), '}')
}

// AppendMembers is AppendJSON without the braces, for whoever has more to say. There
// is at least one member.
func (m *Message) AppendMembers(dst []byte, opc, dpc uint32) []byte {
	if m.HasCIC {
		dst = append(appendUint(dst, "cic", uint32(m.CIC)), ',')
	}
	dst = appendUint(dst, "msg_type", uint32(m.Type))
	dst = append(dst, `,"msg_name":"`...)
	if name := m.Type.String(); name != "" {
		dst = append(dst, name...)
	} else {
		dst = strconv.AppendUint(append(dst, "unknown "...), uint64(m.Type), 10)
	}
	dst = append(dst, '"')
	var seen [4]uint64 // bits of codes
	for i := range m.count {
		code, value := m.Parameter(i)
		if bit := uint64(1) << (code % 64); seen[code/64]&bit == 0 && len(value) >= code.least() {
			seen[code/64] |= bit
			dst = appendCaptagent(dst, code, value)
		}
	}
	if m.HasCIC {
		dst = appendUint(append(dst, ','), "opc", opc)
		dst = appendUint(append(dst, ','), "dpc", dpc)
	}
	if m.Fault != None {
		dst = append(m.AppendFault(append(dst, `,"fault":"`...)), '"')
	}
	return dst
}

// AppendFault appends what is wrong with the message in words, and with which
// parameter, or nothing. The words need no escaping in JSON.
func (m *Message) AppendFault(dst []byte) []byte {
	if m.Fault != None && m.FaultAt != EndOfOptional {
		dst = append(appendName(dst, m.FaultAt), ": "...)
	}
	return append(dst, m.Fault.String()...)
}

// appendName appends a parameter's name, or its number.
func appendName(dst []byte, code Code) []byte {
	if name := code.String(); name != "" {
		return append(dst, name...)
	}
	return strconv.AppendUint(append(dst, "parameter "...), uint64(code), 10)
}

// appendCaptagent appends a comma and a parameter that captagent knows.
func appendCaptagent(dst []byte, code Code, value []byte) []byte {
	switch code {
	case CalledPartyNumber:
		return appendNumber(dst, `,"called_number":{`, code, value)
	case CallingPartyNumber:
		return appendNumber(dst, `,"calling_number":{`, code, value)
	case CallingPartyCategory:
		dst = appendUint(append(dst, `,"calling_party":{`...), "num", uint32(value[0]))
		return append(appendWord(dst, "name", word(categories, value[0])), '}')
	case TransmissionMedium:
		dst = appendUint(append(dst, `,"transmission_medium":{`...), "num", uint32(value[0]))
		return append(appendWord(dst, "name", word(media, value[0])), '}')
	case CauseIndicators:
		return appendCause(dst, value)
	case EventInformation:
		dst = appendUint(append(dst, `,"event":{`...), "event_num", uint32(value[0]&0x7f))
		dst = appendWord(dst, "event_str", word(events, value[0]&0x7f))
		return append(appendWord(dst, "presentation_str", hidings[value[0]>>7]), '}')
	case HopCounter:
		return appendUint(append(dst, ','), "hop_counter", uint32(value[0]&31))
	case NatureOfConnection:
		return appendFields(dst, `,"nature_of_connnection":{`, natureFields, natureKeys[:], value)
	case ForwardCallIndicators:
		return appendFields(dst, `,"forward_call":{`, forwardFields, forwardKeys[:], value)
	case UserServiceInformation:
		return appendBearer(dst, value)
	}
	return dst
}

// captagent's keys for the first fields of two parameters.
var (
	natureKeys  = [...]string{"satellite", "continuity_check", "echo_device"}
	forwardKeys = [...]string{"national_international_call", "end_to_end_method", "interworking", "end_to_end_information", "isup",
		"isup_preference", "isdn_access", "sccp_method"}
)

// appendFields appends an object of numbers and their words.
func appendFields(dst []byte, open string, fields []field, keys []string, value []byte) []byte {
	dst = append(dst, open...)
	for i, key := range keys {
		if i > 0 {
			dst = append(dst, ',')
		}
		n := fields[i].of(value)
		dst = appendPair(dst, key, n, word(fields[i].words, n))
	}
	return append(dst, '}')
}

func appendNumber(dst []byte, open string, code Code, value []byte) []byte {
	n, _ := numberOf(code, value)
	dst = append(dst, open...)
	var flag uint8
	if n.Flag {
		flag = 1
	}
	if code == CalledPartyNumber {
		dst = appendPair(dst, "inn", flag, internalNumbers[flag])
	} else {
		dst = append(appendPair(dst, "ni", flag, incompletes[flag]), ',')
		dst = append(appendPair(dst, "restrict", n.Presentation, word(presentations, n.Presentation)), ',')
		dst = appendPair(dst, "screened", n.Screening, word(screenings, n.Screening))
	}
	dst = append(appendPair(append(dst, ','), "ton", n.Nature, word(natures, n.Nature)), ',')
	dst = appendPair(dst, "npi", n.Plan, word(plans, n.Plan))
	dst = n.appendSignals(append(dst, `,"num":"`...), 16) // ST too, as F
	return append(dst, `"}`...)
}

func appendCause(dst, value []byte) []byte {
	c, ok := causeOf(value)
	if !ok {
		return dst
	}
	dst = appendUint(append(dst, `,"cause":{`...), "standard_num", uint32(c.Standard))
	dst = appendWord(dst, "standard_name", word(causeStandards, c.Standard))
	dst = appendUint(append(dst, ','), "location_num", uint32(c.Location))
	dst = appendWord(dst, "location_name", word(causeLocations, c.Location))
	if c.Standard == 0 {
		class := c.Value >> 4
		dst = appendWord(dst, "itu_class_name", causeClasses[class])
		dst = appendUint(append(dst, ','), "itu_class_num", uint32(class))
		text := c.Text()
		if text == "" {
			text = "Unknown"
		}
		dst = appendWord(dst, "itu_cause_name", text)
		dst = appendUint(append(dst, ','), "itu_cause_num", uint32(c.Value))
	}
	return append(dst, '}')
}

// bearer is a bearer capability (Q.931 4.5.5, Q.763 3.57) as far as captagent
// takes it apart.
type bearer struct {
	standard, capability, mode, rate uint8
	multiplier                       uint8 // valid when rate is multirate
	ident, protocol                  uint8 // of layer 1, valid with hasLayer1
	hasLayer1                        bool
}

const multirate = 0x18

// bearerOf reads two octets or more.
func bearerOf(value []byte) (b bearer) {
	b.standard, b.capability = value[0]>>5&3, value[0]&31
	b.mode, b.rate = value[1]>>5&3, value[1]&31
	rest := value[2:]
	if b.rate == multirate && len(rest) > 0 {
		b.multiplier, rest = rest[0]&0x7f, rest[1:]
	}
	if len(rest) > 0 {
		b.ident, b.protocol, b.hasLayer1 = rest[0]>>5&3, rest[0]&31, true
	}
	return b
}

func appendBearer(dst, value []byte) []byte {
	b := bearerOf(value)
	dst = append(dst, `,"user_information":{"coding_standard_name":"`...)
	dst = append(append(dst, word(codingStandards, b.standard)...), `",`...)
	dst = append(appendUint(dst, "coding_standard", uint32(b.standard)), ',')
	dst = append(appendUint(dst, "transfer_capability", uint32(b.capability)), ',')
	dst = append(appendUint(dst, "transfer_mode", uint32(b.mode)), ',')
	dst = appendUint(dst, "transfer_rate", uint32(b.rate))
	if b.rate == multirate {
		dst = appendUint(append(dst, ','), "rate_multiplier", uint32(b.multiplier))
	}
	if b.hasLayer1 {
		dst = appendUint(append(dst, ','), "layer1_ident", uint32(b.ident))
		dst = appendUint(append(dst, ','), "layer1_protocol", uint32(b.protocol))
	}
	if b.standard == 0 {
		dst = appendWord(dst, "transfer_capability_name", capability(b.capability))
		dst = appendWord(dst, "transfer_mode_name", word(transferModes, b.mode))
		dst = appendWord(dst, "transfer_rate_name", rate(b.rate))
		if b.hasLayer1 {
			dst = appendWord(dst, "layer1_protocol_name", layer1(b.protocol))
		}
	}
	return append(dst, '}')
}

// appendUint appends "key":n.
func appendUint(dst []byte, key string, n uint32) []byte {
	dst = append(append(append(dst, '"'), key...), `":`...)
	return strconv.AppendUint(dst, uint64(n), 10)
}

// appendWord appends ,"key":"text"; text needs no escaping.
func appendWord(dst []byte, key, text string) []byte {
	dst = append(append(append(dst, `,"`...), key...), `":"`...)
	return append(append(dst, text...), '"')
}

// appendPair appends "key":n,"key_name":"text".
func appendPair(dst []byte, key string, n uint8, text string) []byte {
	dst = append(appendUint(dst, key, uint32(n)), `,"`...)
	dst = append(append(dst, key...), `_name":"`...)
	return append(append(dst, text...), '"')
}
