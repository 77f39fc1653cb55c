package ring

import "golang.org/x/net/bpf"

// label is a place in a program that is known only once it is laid out. All
// jumps are forward, as classic BPF wants them.
type label int

// line is one line of a program before layout: an instruction, a jump, or
// the place of a label.
type line struct {
	ins    bpf.Instruction // nil for a jump or a place
	test   bpf.JumpTest
	val    uint32
	withX  bool // compare with X, not val
	jump   kind
	jt, jf label // jt alone for always and place
}

type kind uint8

const (
	plain kind = iota
	conditional
	always
	place
)

// program collects lines.
type program struct {
	lines  []line
	labels int
}

func (p *program) label() label {
	p.labels++
	return label(p.labels - 1)
}

func (p *program) emit(ins ...bpf.Instruction) {
	for _, in := range ins {
		p.lines = append(p.lines, line{ins: in})
	}
}

func (p *program) jump(to label) { p.lines = append(p.lines, line{jump: always, jt: to}) }
func (p *program) here(l label)  { p.lines = append(p.lines, line{jump: place, jt: l}) }

// ifA goes to t if A compares with val as test says, and to f otherwise.
func (p *program) ifA(test bpf.JumpTest, val uint32, t, f label) {
	p.lines = append(p.lines, line{jump: conditional, test: test, val: val, jt: t, jf: f})
}

// ifX does the same with X in place of a value.
func (p *program) ifX(test bpf.JumpTest, t, f label) {
	p.lines = append(p.lines, line{jump: conditional, test: test, withX: true, jt: t, jf: f})
}

// unless goes on with the next line if A compares with val, and to f if not.
func (p *program) unless(test bpf.JumpTest, val uint32, f label) {
	next := p.label()
	p.ifA(test, val, next, f)
	p.here(next)
}

// maxSkip is the farthest a conditional jump reaches.
const maxSkip = 255

// layout turns lines into instructions. A conditional jump whose target is
// too far takes a detour over an unconditional one right behind it. Detours
// make the program longer, so this is repeated until no more are needed.
func (p *program) layout() []bpf.Instruction {
	farT, farF := make([]bool, len(p.lines)), make([]bool, len(p.lines))
	for {
		at, places := p.measure(farT, farF)
		settled := true
		for i, l := range p.lines {
			if l.jump != conditional {
				continue
			}
			next := at[i] + 1
			if !farT[i] && places[l.jt]-next > maxSkip {
				farT[i], settled = true, false
			}
			if !farF[i] && places[l.jf]-next > maxSkip {
				farF[i], settled = true, false
			}
		}
		if settled {
			return p.instructions(at, places, farT, farF)
		}
	}
}

// measure returns where each line and each label comes to stand.
func (p *program) measure(farT, farF []bool) (at, places []int) {
	at, places = make([]int, len(p.lines)), make([]int, p.labels)
	n := 0
	for i, l := range p.lines {
		at[i] = n
		if l.jump == place {
			places[l.jt] = n
			continue
		}
		n++
		if farT[i] {
			n++
		}
		if farF[i] {
			n++
		}
	}
	return at, places
}

func (p *program) instructions(at, places []int, farT, farF []bool) []bpf.Instruction {
	var out []bpf.Instruction
	for i, l := range p.lines {
		next := at[i] + 1
		switch l.jump {
		case plain:
			out = append(out, l.ins)
		case always:
			out = append(out, bpf.Jump{Skip: uint32(places[l.jt] - next)})
		case conditional:
			// The detours stand right behind: first that of true.
			var detours []bpf.Instruction
			skip := func(far bool, to label) uint8 {
				if !far {
					return uint8(places[to] - next)
				}
				n := len(detours)
				detours = append(detours, bpf.Jump{Skip: uint32(places[to] - next - n - 1)})
				return uint8(n)
			}
			t := skip(farT[i], l.jt)
			f := skip(farF[i], l.jf)
			if l.withX {
				out = append(out, bpf.JumpIfX{Cond: l.test, SkipTrue: t, SkipFalse: f})
			} else {
				out = append(out, bpf.JumpIf{Cond: l.test, Val: l.val, SkipTrue: t, SkipFalse: f})
			}
			out = append(out, detours...)
		}
	}
	return out
}
