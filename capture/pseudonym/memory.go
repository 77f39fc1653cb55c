package pseudonym

// Limits of what is remembered.
const (
	remembered = 8192 // texts of one generation
	longest    = 64   // letters and digits of a text
)

// MemoryBytes is the most that a Key holds: two texts of each, in a map.
const MemoryBytes = 2 * remembered * (2*longest + 96)

// memory holds what was replaced lately: the last remembered texts, and at
// most as many before them. put moves what is
// in use on to the next generation.
type memory struct {
	young, old map[string]numerals
}

func newMemory() memory { return memory{young: make(map[string]numerals)} }

func (m *memory) get(text numerals) (numerals, bool) {
	if to, ok := m.young[string(text)]; ok {
		return to, true
	}
	to, ok := m.old[string(text)]
	return to, ok
}

// put remembers that text becomes to, for one generation more at least. It keeps
// neither slice. A long text is not remembered.
func (m *memory) put(text, to numerals) {
	if _, ok := m.young[string(text)]; ok || len(text) > longest {
		return
	}
	if len(m.young) >= remembered {
		m.young, m.old = make(map[string]numerals, remembered), m.young
	}
	m.young[string(text)] = append(numerals(nil), to...)
}
