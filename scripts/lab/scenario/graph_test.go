package scenario

import (
	"maps"
	"slices"
	"testing"
)

// Two calls share a connection; one of them has another one of its own, a query,
// and two lines of a log. A command stands alone.
var (
	callA, callB    = Node{Call, "a"}, Node{Call, "b"}
	shared, own     = Node{Connection, "shared"}, Node{Connection, "own"}
	query, uptime   = Node{Query, "GET /x"}, Node{Command, "uptime"}
	ofQuery         = Node{Connection, "of the query"}
	line1, line2    = Node{Line, "one"}, Node{Line, "two"}
	register        = Node{Request, "REGISTER"}
	lineOf, unknown = Node{Line, "of b"}, Node{Call, "c"}
)

func sample() *Graph {
	g := NewGraph()
	g.Nodes = map[Node]string{callA: "", callB: "", shared: "TCP, closed", own: "TCP, reset", query: "200", ofQuery: "TCP, closed", uptime: "ok", line1: "", line2: "", lineOf: "", register: ""}
	for _, e := range [][2]Node{{callA, shared}, {shared, callA}, {callB, shared}, {shared, callB}, {callA, own}, {own, callA}, {register, own}, {query, ofQuery}, {ofQuery, query}} {
		g.link(e[0], e[1], "flow")
	}
	for _, e := range [][2]Node{{query, callA}, {line1, callA}, {line2, callA}, {lineOf, callB}} {
		g.link(e[0], e[1], "seen")
	}
	g.unsaid(uptime, callB)
	g.Told = map[Node]int{query: 2, uptime: 2, line1: 1, line2: 1, lineOf: 1}
	return g
}

func TestDifferences(t *testing.T) {
	got := sample()
	if d := sample().Differences(got); len(d) != 0 {
		t.Errorf("of the same: %q", d)
	}
	delete(got.Nodes, line2)
	got.Nodes[shared], got.Nodes[unknown] = "TCP, open", ""
	delete(got.Edges, Edge{line2, callA, "seen"})
	delete(got.Edges, Edge{shared, callB, "flow"})
	got.link(query, callB, "seen")
	got.link(query, callA, "flow")
	got.Told[query], got.Told[line1] = 3, 0
	want := []string{
		`connection shared: "TCP, open", want "TCP, closed"`,
		`line one: 0 records, want 1`,
		`missing: connection shared --flow--> call b`,
		`missing: line two`,
		`missing: line two --seen--> call a`,
		`nobody knows of: call c: ""`,
		`nobody knows of: query GET /x --flow--> call a`,
		`nobody knows of: query GET /x --seen--> call b`,
		`query GET /x: 3 records, want 2`,
	}
	if d := sample().Differences(got); !slices.Equal(d, want) {
		t.Errorf("%q\nwant %q", d, want)
	}
}

// What is inferred may be there if it is true, however much is told of it.
func TestWith(t *testing.T) {
	got := sample()
	got.link(uptime, callB, inferred)
	if d := sample().Differences(got); len(d) != 1 {
		t.Errorf("%q", d)
	}
	if d := sample().With(got).Differences(got); len(d) != 0 {
		t.Errorf("true: %q", d)
	}
	if untold := got.Untold(); len(sample().With(untold).Untold().Differences(untold)) != 0 {
		t.Error("true, and not told how")
	}
	got.link(uptime, callA, inferred)
	if d := sample().With(got).Differences(got); !slices.Equal(d, []string{"nobody knows of: command uptime --inferred--> call a"}) {
		t.Errorf("untrue: %q", d)
	}
	got = sample()
	got.link(uptime, callB, "seen")
	if d := sample().With(got).Differences(got); len(d) != 1 {
		t.Errorf("true, and not seen: %q", d)
	}
}

func TestWithin(t *testing.T) {
	for _, tt := range []struct {
		start Node
		want  []Node
	}{
		{callA, []Node{callA, shared, own, query, ofQuery, line1, line2}},
		{callB, []Node{callB, shared, lineOf}},
		{shared, []Node{shared, callA, callB, own, query, line1, line2, lineOf}},
		{query, []Node{query, ofQuery, callA, shared, own, line1, line2}},
		{ofQuery, []Node{ofQuery, query, callA, shared, own, line1, line2}},
		{uptime, []Node{uptime}},
	} {
		got := slices.SortedFunc(maps.Keys(sample().Within(tt.start)), compareNodes)
		if want := slices.SortedFunc(slices.Values(tt.want), compareNodes); !slices.Equal(got, want) {
			t.Errorf("%v: %v\nwant %v", tt.start, got, want)
		}
	}
}

func TestMermaid(t *testing.T) {
	g := sample()
	g.link(uptime, callB, inferred)
	const solid = `flowchart LR
  c1(["a"])
  c2(["b"])
  r3("REGISTER")
  c4[/"own<br>TCP, reset"/]
  c5[/"shared<br>TCP, closed"/]
  q6[["GET /x<br>200"]]
  c7{{"uptime<br>ok"}}
  l8["2 lines of the log"]
  l8 -->|seen| c1
  l9["a line of the log"]
  l9 -->|seen| c2
  c1 <-->|flow| c4
  c1 <-->|flow| c5
  c2 <-->|flow| c5
  r3 -->|flow| c4
  q6 -->|seen| c1
`
	if got, want := g.Mermaid(), solid+"  c7 -.->|inferred| c2\n"; got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	if got := Solid(g.Mermaid()); got != solid {
		t.Errorf("without what was inferred:\n%s", got)
	}
}
