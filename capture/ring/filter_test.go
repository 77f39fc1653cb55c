package ring_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"heptap/capture"
	"heptap/capture/ring"
)

func compile(t testing.TB, expression string, exclude ...ring.Endpoint) []bpf.RawInstruction {
	t.Helper()
	prog, err := ring.CompileFilter(exclude, expression)
	if err != nil {
		t.Fatal(err)
	}
	return prog
}

// machine runs a program in x/net's virtual machine. That does not know the
// kernel's ancillary data, so their loads are replaced by what they would give
// for a frame. There is one machine for each such set of values.
type machine struct {
	t    testing.TB
	ins  []bpf.Instruction
	made map[ancillary]*bpf.VM
}

type ancillary struct {
	raw, hasVLAN bool
	tci          uint16
}

func newMachine(t testing.TB, prog []bpf.RawInstruction) *machine {
	t.Helper()
	ins, ok := bpf.Disassemble(prog)
	if !ok {
		t.Fatal("not every instruction is known")
	}
	return &machine{t, ins, map[ancillary]*bpf.VM{}}
}

func (m *machine) vm(a ancillary) *bpf.VM {
	m.t.Helper()
	if vm := m.made[a]; vm != nil {
		return vm
	}
	values := map[bpf.Extension]uint32{bpf.ExtLinkLayerType: unix.ARPHRD_ETHER, bpf.ExtVLANTagPresent: 0, bpf.ExtVLANTag: uint32(a.tci)}
	if a.raw {
		values[bpf.ExtLinkLayerType] = unix.ARPHRD_NONE
	}
	if a.hasVLAN {
		values[bpf.ExtVLANTagPresent] = 1
	}
	ins := append([]bpf.Instruction(nil), m.ins...)
	for i, in := range ins {
		ext, ok := in.(bpf.LoadExtension)
		if !ok || ext.Num == bpf.ExtLen {
			continue
		}
		val, ok := values[ext.Num]
		if !ok {
			m.t.Fatalf("%v is not expected", ext)
		}
		ins[i] = bpf.LoadConstant{Dst: bpf.RegA, Val: val}
	}
	vm, err := bpf.NewVM(ins)
	if err != nil {
		m.t.Fatal(err)
	}
	m.made[a] = vm
	return vm
}

// passes says whether the program passes s.
func (m *machine) passes(s skb) bool {
	m.t.Helper()
	n, err := m.vm(ancillary{s.raw, s.hasVLAN, s.tci}).Run(s.data)
	if err != nil {
		m.t.Fatalf("%x: %v", s.data, err)
	}
	return n != 0
}

func run(t testing.TB, prog []bpf.RawInstruction, s skb) bool {
	t.Helper()
	return newMachine(t, prog).passes(s)
}

func TestExpressionAgainstEvaluator(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	passed, all := 0, 0
	for range 1000 {
		e := randomExpr(r, 1+r.IntN(5))
		m := newMachine(t, compile(t, e.text))
		for range 40 {
			s := randomSKB(r)
			want := e.eval(s.view())
			if got := m.passes(s); got != want {
				t.Fatalf("%s\non %+v\npassed: %v, want %v", e.text, s, got, want)
			}
			all++
			if want {
				passed++
			}
		}
	}
	if passed < all/10 || passed > all*9/10 {
		t.Errorf("%d of %d passed: the test says little", passed, all)
	}
}

func TestExclusionAgainstEvaluator(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	hidden := 0
	for range 300 {
		var own []ring.Endpoint
		for range 1 + r.IntN(6) {
			own = append(own, randomEndpoint(r))
		}
		e := expr{"", func(view) bool { return true }}
		if r.IntN(2) == 0 {
			e = randomExpr(r, 2)
		}
		m := newMachine(t, compile(t, e.text, own...))
		for range 100 {
			s := randomSKB(r)
			v := s.view()
			mine := false
			for _, o := range own {
				mine = mine || isOwn(v, o)
			}
			if got, want := m.passes(s), !mine && e.eval(v); got != want {
				t.Fatalf("own %v, %q\non %+v\npassed: %v, want %v", own, e.text, s, got, want)
			}
			if mine {
				hidden++
			}
		}
	}
	if hidden < 150 {
		t.Errorf("only %d own packets: the test says little", hidden)
	}
}

func TestPrecedenceAndBareValues(t *testing.T) {
	udp := func(sport, dport uint16) skb {
		return skb{data: packet{src: "192.0.2.1", dst: "192.0.2.2", proto: 17, sport: sport, dport: dport}.frame()}
	}
	for _, c := range []struct {
		expression string
		s          skb
		want       bool
	}{
		{"tcp and udp or port 5060", udp(1, 5060), true},
		{"port 5060 or udp and tcp", udp(1, 5060), false}, // left to right
		{"port 5060 or (udp and tcp)", udp(1, 5060), true},
		{"not tcp and udp", udp(1, 2), true},
		{"not tcp or udp", udp(1, 2), true},
		{"not (tcp or udp)", udp(1, 2), false},
		{"port 5060 or 5061", udp(5061, 1), true},
		{"udp dst port 5060 or 5061", udp(5061, 1), false},
		{"udp dst port 5060 or 5061", udp(1, 5061), true},
		{"not port 5060 and 5061", udp(5061, 1), true}, // not port 5060 and port 5061
		{"192.0.2.1", udp(1, 2), true},
		{"src 192.0.2.2", udp(1, 2), false},
		{"dst 192.0.2.2", udp(1, 2), true},
		{"src 192.0.2.0/30", udp(1, 2), true},
		{"host 192.0.2.9 or 192.0.2.2", udp(1, 2), true},
		{"SRC HOST 192.0.2.1 AND UDP", udp(1, 2), true},
		{"net 0.0.0.0/0", udp(1, 2), true},
		{"", udp(1, 2), true},
	} {
		if got := run(t, compile(t, c.expression), c.s); got != c.want {
			t.Errorf("%q: %v, want %v", c.expression, got, c.want)
		}
	}
}

func TestExpressionErrors(t *testing.T) {
	for _, c := range []struct {
		expression string
		offset     int
		want       string
	}{
		{"prot 5060", 0, "a term"},
		{"host", 4, "address"},
		{"host sip.example.com", 5, "address"},
		{"host 192.0.2.0/24", 5, "say net"},
		{"net 192.0.2", 4, "prefix length"},
		{"net 192.0.2.1/24", 4, "192.0.2.0/24"},
		{"host ::ffff:192.0.2.1", 5, "192.0.2.1"},
		{"ip host 2001:db8::1", 8, "IPv4"},
		{"ip6 host 192.0.2.1", 9, "IPv6"},
		{"udp port sip", 9, "0 to 65535"},
		{"port 65536", 5, "0 to 65535"},
		{"portrange 20-10", 10, "10-20"},
		{"portrange 20", 10, "10000-20000"},
		{"ip port 5060", 0, "tcp, udp or sctp"},
		{"tcp host 192.0.2.1", 0, "and ..."},
		{"ether port 1", 0, "ether host"},
		{"ether host 1", 11, "MAC"},
		{"ether", 5, "host, src or dst"},
		{"vlan 4096", 5, "4095"},
		{"udp tcp", 4, `"and", "or"`},
		{"udp and", 7, "a term"},
		{"(udp", 4, `")"`},
		{"udp)", 3, `"and"`},
		{"udp & tcp", 4, `"and"`},
		{"src or 192.0.2.1", 7, "other direction"},
		{"5060", 0, "host, net, port"},
		{"src port 5060 and vlan 3 and 5061", 29, "host, net, port"},
		{strings.Repeat("(", 200) + "udp", 100, "levels"},
	} {
		_, err := ring.CompileFilter(nil, c.expression)
		var e *ring.ExpressionError
		if !errors.As(err, &e) {
			t.Errorf("%q: %v", c.expression, err)
			continue
		}
		if e.Offset != c.offset || !strings.Contains(e.Error(), c.want) {
			t.Errorf("%q: offset %d, %v; want offset %d, %q", c.expression, e.Offset, e, c.offset, c.want)
		}
	}
	for _, e := range []ring.Endpoint{
		{}, {Addr: netip.MustParseAddr("192.0.2.1"), Proto: 6}, {Addr: netip.MustParseAddr("192.0.2.1"), Port: 1},
		{Addr: netip.IPv4Unspecified(), Port: 1, Proto: 6},
		{Addr: netip.MustParseAddr("192.0.2.1"), Port: 1, Proto: 6, Local: netip.MustParseAddr("::1")},
	} {
		if _, err := ring.CompileFilter([]ring.Endpoint{e}, ""); err == nil {
			t.Errorf("%+v accepted", e)
		}
	}
}

// TestLongExpressions needs jumps of more than 255 instructions, and finds
// the limit of the program.
func TestLongExpressions(t *testing.T) {
	var terms []string
	for i := range 45 {
		terms = append(terms, fmt.Sprintf("host 10.0.%d.1", i))
	}
	prog := compile(t, "udp and ("+strings.Join(terms, " or ")+")")
	if len(prog) < 1000 {
		t.Errorf("only %d instructions", len(prog))
	}
	for i := range 45 {
		p := packet{src: "192.0.2.1", dst: fmt.Sprintf("10.0.%d.1", i), proto: 17, tags: make([]uint16, i%3)}
		s := skb{data: p.frame()}
		if !run(t, prog, s) {
			t.Errorf("term %d does not match", i)
		}
		p.proto = 6
		if run(t, prog, skb{data: p.frame()}) {
			t.Errorf("term %d matches TCP", i)
		}
	}
	_, err := ring.CompileFilter(nil, strings.Repeat("host 10.0.0.1 or ", 500)+"udp")
	if err == nil || !strings.Contains(err.Error(), "the kernel takes 4096") {
		t.Errorf("500 terms: %v", err)
	}
}

func FuzzExpression(f *testing.F) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 20 {
		f.Add(randomExpr(r, 3).text)
	}
	f.Add("port 5060 or 5061 and not vlan 7")
	f.Add("((((((")
	f.Fuzz(func(t *testing.T, text string) {
		prog, err := ring.CompileFilter(nil, text)
		if err != nil {
			var e *ring.ExpressionError
			if errors.As(err, &e) && (e.Offset < 0 || e.Offset > len(text)) {
				t.Fatalf("error at %d of %d octets", e.Offset, len(text))
			}
			return
		}
		s := randomSKB(rand.New(rand.NewPCG(uint64(len(text)), 7)))
		passed := run(t, prog, s)
		negated, err := ring.CompileFilter(nil, "not ("+text+")")
		if err != nil {
			return // empty, or too deep or too long now
		}
		if run(t, negated, s) == passed {
			t.Fatalf("%q and its negation agree on %+v", text, s)
		}
	})
}

// TestFilterInKernel attaches programs to a real ring, with tags that the
// kernel takes off, and with the ancillary loads no virtual machine knows.
func TestFilterInKernel(t *testing.T) {
	l := newLab(t)
	collector := ring.Endpoint{Addr: netip.MustParseAddr("198.51.100.7"), Port: 9060, Proto: capture.ProtoTCP}
	collector6 := ring.Endpoint{Addr: netip.MustParseAddr("2001:db8::1"), Port: 9060, Proto: capture.ProtoUDP}
	r := l.open(ring.Config{Filter: compile(t, "", collector, collector6)})
	own := packet{src: "10.1.2.3", dst: "198.51.100.7", proto: 6, sport: 40000, dport: 9060}
	reply := packet{src: "198.51.100.7", dst: "10.1.2.3", proto: 6, sport: 9060, dport: 40000, options: 3}
	own6 := packet{src: "fe80::1", dst: "2001:db8::1", proto: 17, sport: 1, dport: 9060}
	foreign := packet{src: "10.1.2.3", dst: "198.51.100.7", proto: 6, sport: 40000, dport: 9061}
	expect := func(what string, passes bool, p packet) {
		t.Helper()
		for _, tags := range [][]uint16{nil, {100}, {7, 100}} {
			p.tags = tags
			l.send(p.frame())
			l.send(numbered(99, 60)) // marks the end, unless filtered
			n := -1                  // without the marker
			l.until("marker", r, func(fs []got) bool {
				n += len(fs)
				return len(fs) > 0 && fs[len(fs)-1].data[12] == 0x88 && fs[len(fs)-1].data[13] == 0xb5
			})
			if (n == 1) != passes {
				t.Errorf("%s with tags %v: %d frames", what, tags, n)
			}
		}
	}
	expect("own", false, own)
	expect("reply", false, reply)
	expect("own IPv6", false, own6)
	expect("foreign", true, foreign)
	own.frag = 0x2001
	expect("a later fragment of our own", true, own)
	own.frag = 0

	set := func(expression string) {
		t.Helper()
		if err := r.SetFilter(compile(t, "ether host 02:00:00:00:00:09 or ("+expression+")", collector)); err != nil {
			t.Fatal(err)
		}
	}
	set("tcp port 9061")
	expect("port", true, foreign)
	expect("own6 behind a user's filter", false, own6)
	set("vlan 100 or not vlan")
	expect("no tag, or tag 100", true, foreign)
	set("vlan 7 and vlan 100 or (net 10.1.2.3/32 and not vlan 7)")
	expect("both tags", true, foreign)
	set("vlan 3")
	expect("another tag", false, foreign)

	if err := r.SetFilter([]bpf.RawInstruction{{Op: 0xffff}}); err == nil {
		t.Error("the kernel took nonsense")
	}
	expect("after nonsense the old filter", false, foreign)
	if err := r.SetFilter(nil); err != nil {
		t.Fatal(err)
	}
	expect("no filter", true, own)
}

// TestRandomFiltersInKernel compares the kernel with the evaluator.
func TestRandomFiltersInKernel(t *testing.T) {
	l := newLab(t)
	r := l.open(ring.Config{})
	rnd := rand.New(rand.NewPCG(8, 9))
	marker := "ether host 02:00:00:00:00:09"
	for range 40 {
		e := randomExpr(rnd, 4)
		if err := r.SetFilter(compile(t, marker+" or ("+e.text+")")); err != nil {
			t.Fatal(err)
		}
		want, ids := map[int]bool{}, 0
		for ids < 20 {
			s := randomSKB(rnd)
			if s.raw || len(s.data) < 60 || s.hasVLAN || s.data[0]&1 != 0 || s.data[5] == 9 {
				continue
			}
			// The kernel takes the outer tag off; the filter does not care, but
			// reaches one further than where there are too many.
			if len(s.view().tags) == capture.MaxVLANTags {
				continue
			}
			s.data = append(s.data, byte(ids))
			want[ids] = e.eval(s.view())
			l.send(s.data)
			ids++
		}
		l.send(numbered(99, 60))
		passed := map[int]bool{}
		l.until("marker", r, func(fs []got) bool {
			for _, f := range fs {
				if f.data[5] == 9 {
					return true
				}
				passed[int(f.data[len(f.data)-1])] = true
			}
			return false
		})
		for id := range ids {
			if passed[id] != want[id] {
				t.Fatalf("%s: packet %d passed: %v, want %v", e.text, id, passed[id], want[id])
			}
		}
	}
}
