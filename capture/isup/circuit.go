package isup

import "strconv"

// Circuit names a circuit between two signalling points, the same whichever
// way a message goes. Comparable, so a map's key. Networks that use the same codes
// are for the caller to tell apart.
type Circuit struct {
	Low, High uint32 // point codes
	CIC       uint16
}

// CircuitOf returns the circuit of a message with these point codes.
func CircuitOf(opc, dpc uint32, cic uint16) Circuit {
	return Circuit{Low: min(opc, dpc), High: max(opc, dpc), CIC: cic}
}

// AppendTo appends Low:High:CIC in decimal, as Homer makes it a session's id.
func (c Circuit) AppendTo(dst []byte) []byte {
	dst = append(strconv.AppendUint(dst, uint64(c.Low), 10), ':')
	dst = append(strconv.AppendUint(dst, uint64(c.High), 10), ':')
	return strconv.AppendUint(dst, uint64(c.CIC), 10)
}

// String is AppendTo as a string.
func (c Circuit) String() string { return string(c.AppendTo(nil)) }

// Effect is what a message means for the call on a circuit.
type Effect uint8

// The effects.
const (
	NoEffect Effect = iota
	Begins          // a call
	Ends            // the call; the circuit is not free yet
	Frees           // the circuit: no call is on it any more
)

// String returns the effect's name.
func (e Effect) String() string {
	switch e {
	case Begins:
		return "begins"
	case Ends:
		return "ends"
	case Frees:
		return "frees"
	}
	return "none"
}

// Circuits returns how many circuits the message is about, from its CIC on: 1,
// or of a group message its range and one more, 256 at most.
func (m *Message) Circuits() int {
	if value, ok := m.find(RangeAndStatus); ok {
		return int(value[0]) + 1
	}
	return 1
}

// Effect returns what the message means for the call on its circuit; of a
// group message see EffectOn.
func (m *Message) Effect() Effect { return m.EffectOn(0) }

// EffectOn returns what the message means for the call on the circuit CIC+i, for
// i from 0 to Circuits()-1.
func (m *Message) EffectOn(i int) Effect {
	if i < 0 || i >= m.Circuits() {
		return NoEffect
	}
	switch m.Type {
	case IAM:
		return Begins
	case REL, RSC, GRS:
		return Ends
	case RLC, GRA, UCIC:
		return Frees
	case COT: // failed: the call is tried again elsewhere (Q.764 2.1.8)
		if value, ok := m.find(ContinuityIndicators); ok && value[0]&1 == 0 {
			return Ends
		}
	case CGB: // for hardware failure: calls are cleared without REL (Q.764 2.8.2)
		if value, ok := m.find(CircuitGroupSupervision); ok && value[0]&3 == 1 && m.marked(i) {
			return Frees
		}
	case CQR:
		if value, ok := m.find(CircuitState); ok && i < len(value) && idle(value[i]) {
			return Frees
		}
	}
	return NoEffect
}

// marked reports whether the status of a group message has circuit i's bit set.
func (m *Message) marked(i int) bool {
	value, ok := m.find(RangeAndStatus)
	return ok && 1+i/8 < len(value) && value[1+i/8]>>(i%8)&1 != 0
}

// idle reports whether a circuit state (Q.763 3.14) says that no call is there:
// idle, or unequipped.
func idle(state byte) bool { return state>>2&3 == 3 || state&15 == 3 }
