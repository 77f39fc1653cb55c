package isup

// Number is a number parameter taken apart (Q.763 3.9, 3.10 and those that
// refer to them). What its layout lacks is 0.
type Number struct {
	Code         Code
	Qualifier    uint8 // of a generic number (3.26)
	Nature       uint8 // of address, 0-127
	Plan         uint8 // numbering plan, 0-7
	Presentation uint8 // 0 allowed, 1 restricted, 2 not available
	Screening    uint8 // 0-3
	// Flag is the bit beside the numbering plan: routing to an internal network
	// number not allowed (called, redirection, location), else incomplete.
	Flag bool

	odd     bool   // the last half-octet is filler
	signals []byte // address signals, low half first
}

// What a number's second octet holds.
const (
	hasINN = 1 << iota
	hasNI
	hasPlan // and there is a nature of address before it
	hasPresentation
	hasScreening
	hasQualifier // an octet before the number
	unverified   // a screening of 0 or 2 means something
)

// layout returns what the number parameter has, 0 when code is no number.
func layout(code Code) int {
	switch code {
	case CalledPartyNumber, RedirectionNumber:
		return hasPlan | hasINN
	case CallingPartyNumber:
		return hasPlan | hasNI | hasPresentation | hasScreening
	case LocationNumber:
		return hasPlan | hasINN | hasPresentation | hasScreening
	case ConnectedNumber, CallTransferNumber:
		return hasPlan | hasPresentation | hasScreening | unverified
	case RedirectingNumber, OriginalCalledNumber, CalledINNumber:
		return hasPlan | hasPresentation
	case GenericNumber:
		return hasPlan | hasNI | hasPresentation | hasScreening | hasQualifier | unverified
	}
	return 0
}

// numberOf takes a number parameter apart; ok is false when code is none, or
// value is too short to be one.
func numberOf(code Code, value []byte) (n Number, ok bool) {
	has := layout(code)
	if len(value) < code.least() || has == 0 && code != SubsequentNumber {
		return n, false
	}
	n.Code = code
	if code == SubsequentNumber {
		n.odd, n.signals = value[0]&0x80 != 0, value[1:]
		return n, true
	}
	if has&hasQualifier != 0 {
		n.Qualifier, value = value[0], value[1:]
	}
	n.Nature, n.odd, n.signals = value[0]&0x7f, value[0]&0x80 != 0, value[2:]
	n.Plan = value[1] >> 4 & 7
	n.Flag = has&(hasINN|hasNI) != 0 && value[1]&0x80 != 0
	if has&hasPresentation != 0 {
		n.Presentation = value[1] >> 2 & 3
	}
	if has&hasScreening != 0 {
		n.Screening = value[1] & 3
	}
	return n, true
}

// Number returns the first number parameter called code. ok is false when
// there is none, when it is too short, or when code is no number.
func (m *Message) Number(code Code) (n Number, ok bool) {
	value, ok := m.find(code)
	if !ok {
		return n, false
	}
	return numberOf(code, value)
}

// International reports whether the digits begin with a country code.
func (n *Number) International() bool { return n.Nature == 4 }

// Withheld reports whether the number is there but not to be shown to the
// called user.
func (n *Number) Withheld() bool { return n.Presentation == 1 || n.Presentation == 3 }

const endOfNumber = 15 // address signal ST

// AppendTo appends the digits, without what ends them (ST). Signals that are no
// digits are A to E: B and C are code 11 and 12.
func (n *Number) AppendTo(dst []byte) []byte { return n.appendSignals(dst, endOfNumber) }

// Complete reports whether the digits are followed by ST: none will follow.
func (n *Number) Complete() bool {
	for i := range n.len() {
		if n.signal(i) == endOfNumber {
			return true
		}
	}
	return false
}

// appendSignals appends all signals before the first that is end.
func (n *Number) appendSignals(dst []byte, end byte) []byte {
	for i := range n.len() {
		s := n.signal(i)
		if s == end {
			break
		}
		dst = append(dst, "0123456789ABCDEF"[s])
	}
	return dst
}

func (n *Number) len() int {
	if n.odd && len(n.signals) > 0 {
		return len(n.signals)*2 - 1
	}
	return len(n.signals) * 2
}

func (n *Number) signal(i int) byte { return n.signals[i/2] >> (i % 2 * 4) & 15 }

// Cause is what cause indicators say (Q.850).
type Cause struct {
	Value    uint8 // 0-127
	Location uint8 // 0-15
	Standard uint8 // coding standard: 0 ITU-T, which alone gives Value a known meaning
	// Diagnostics follow the value, a view, often empty.
	Diagnostics []byte
}

// Cause returns the message's first cause. ok is false when there is none.
func (m *Message) Cause() (c Cause, ok bool) {
	value, ok := m.find(CauseIndicators)
	if !ok {
		return c, false
	}
	return causeOf(value)
}

func causeOf(value []byte) (c Cause, ok bool) {
	at := 1
	if value[0]&0x80 == 0 { // octet 1a: the recommendation
		at = 2
	}
	if at >= len(value) {
		return c, false
	}
	return Cause{Value: value[at] & 0x7f, Location: value[0] & 15, Standard: value[0] >> 5 & 3, Diagnostics: value[at+1:]}, true
}

// Text returns the cause in words, "" when Q.850 has none or the coding is not
// ITU-T's.
func (c *Cause) Text() string {
	if c.Standard != 0 {
		return ""
	}
	return causeText(c.Value)
}
