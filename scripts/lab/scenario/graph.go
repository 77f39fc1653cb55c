package scenario

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Kind says what a node is.
type Kind string

// The kinds.
const (
	Call       Kind = "call"
	Request    Kind = "request" // SIP outside of calls, by Call-ID
	Connection Kind = "connection"
	Query      Kind = "query"
	Line       Kind = "line" // of a log
	Command    Kind = "command"
)

// Node is something that records are about. The name is the same in every run:
// no port, id or time is in it.
type Node struct {
	Kind Kind
	Name string
}

// Edge says that a record of From names To, and how the link was found: seen,
// flow, inferred; "" where that is not told.
type Edge struct {
	From, To Node
	How      string
}

// Graph is what happened: the nodes with what became of each, and the edges.
type Graph struct {
	Nodes map[Node]string
	Edges map[Edge]bool

	// Told is how many records there are of each query, command and line. Those of connections are told
	// one by one by what became of them; those of SIP are compared as messages.
	Told map[Node]int

	// Unsaid are edges that are true and that no id on the wire says: who finds
	// one has inferred it.
	Unsaid map[Edge]bool
}

const inferred = "inferred"

// NewGraph returns an empty graph.
func NewGraph() *Graph {
	return &Graph{Nodes: map[Node]string{}, Edges: map[Edge]bool{}, Told: map[Node]int{}, Unsaid: map[Edge]bool{}}
}

func (g *Graph) link(from, to Node, how string) { g.Edges[Edge{from, to, how}] = true }

// unsaid notes that two nodes belong together.
func (g *Graph) unsaid(a, b Node) {
	g.Unsaid[Edge{a, b, inferred}], g.Unsaid[Edge{b, a, inferred}] = true, true
}

// With returns the graph with those of the edges that got has which are true
// and which nobody can be held to find.
func (g *Graph) With(got *Graph) *Graph {
	out := &Graph{Nodes: g.Nodes, Edges: maps.Clone(g.Edges), Told: g.Told}
	for e := range got.Edges {
		if (e.How == "" || e.How == inferred) && g.Unsaid[Edge{e.From, e.To, inferred}] {
			out.Edges[e] = true
		}
	}
	return out
}

// Untold returns the graph without how its edges were found.
func (g *Graph) Untold() *Graph {
	out := NewGraph()
	out.Nodes, out.Told = g.Nodes, g.Told
	for e := range g.Edges {
		out.link(e.From, e.To, "")
	}
	return out
}

// Differences says, line by line, in what got is another graph than g.
func (g *Graph) Differences(got *Graph) (all []string) {
	for n, was := range g.Nodes {
		switch is, there := got.Nodes[n]; {
		case !there:
			all = append(all, fmt.Sprintf("missing: %v", n))
		case is != was:
			all = append(all, fmt.Sprintf("%v: %q, want %q", n, is, was))
		}
	}
	for n, is := range got.Nodes {
		if _, there := g.Nodes[n]; !there {
			all = append(all, fmt.Sprintf("nobody knows of: %v: %q", n, is))
		}
	}
	for n := range got.Nodes {
		if is, want := got.Told[n], g.Told[n]; is != want {
			all = append(all, fmt.Sprintf("%v: %d records, want %d", n, is, want))
		}
	}
	for e := range g.Edges {
		if !got.Edges[e] {
			all = append(all, fmt.Sprintf("missing: %v", e))
		}
	}
	for e := range got.Edges {
		if !g.Edges[e] {
			all = append(all, fmt.Sprintf("nobody knows of: %v", e))
		}
	}
	slices.Sort(all)
	return all
}

// String is for reports.
func (n Node) String() string { return string(n.Kind) + " " + n.Name }

// String is for reports.
func (e Edge) String() string { return fmt.Sprintf("%v --%s--> %v", e.From, e.How, e.To) }

// Within returns the nodes that following one must find when it goes on to the
// ids that its records name, and no further (replay -follow -follow-depth 1):
// those that name it or that it names, and what names those in turn. What a
// connection with several calls carried is no relation among them, so there it
// ends, unless it is where it began. The record of a query or command on a connection
// names both the connection and a call: so from a connection it goes on around the call.
func (g *Graph) Within(start Node) map[Node]bool {
	found := map[Node]bool{start: true}
	for n := range g.beside(start) {
		found[n] = true
		if n.Kind == Connection && g.calls(n) > 1 {
			continue
		}
		if start.Kind == Connection && (n.Kind == Query || n.Kind == Command) {
			g.around(n, found)
			continue
		}
		for further := range g.beside(n) {
			found[further] = true
		}
	}
	return found
}

// around adds what n's own records name, and what has an edge with that. A link that
// was inferred is a record of its own.
func (g *Graph) around(n Node, found map[Node]bool) {
	for e := range g.Edges {
		if e.From != n || e.How == inferred || e.To.Kind == Connection {
			continue
		}
		found[e.To] = true
		for further := range g.beside(e.To) {
			found[further] = true
		}
	}
}

// beside returns the nodes that have an edge with n, in either direction.
func (g *Graph) beside(n Node) map[Node]bool {
	out := map[Node]bool{}
	for e := range g.Edges {
		switch n {
		case e.From:
			out[e.To] = true
		case e.To:
			out[e.From] = true
		}
	}
	return out
}

// calls returns how many ids come together in a connection.
func (g *Graph) calls(n Node) int { return len(g.beside(n)) }

// single says whether n is a connection with one query or command and nothing else.
func (g *Graph) single(n Node) bool {
	beside := g.beside(n)
	for only := range beside {
		return n.Kind == Connection && len(beside) == 1 && (only.Kind == Query || only.Kind == Command)
	}
	return false
}

// sorted returns the nodes by kind and name.
func (g *Graph) sorted() []Node {
	return slices.SortedFunc(maps.Keys(g.Nodes), compareNodes)
}

func compareNodes(a, b Node) int {
	order := []Kind{Call, Request, Connection, Query, Line, Command}
	return cmp.Or(cmp.Compare(slices.Index(order, a.Kind), slices.Index(order, b.Kind)), cmp.Compare(a.Name, b.Name))
}

// Mermaid draws the graph (mermaid.js.org, flowchart). The lines that a log has
// of one call are one node. Where both ends of an edge name each other it has
// two heads. What was inferred is dotted. A connection with one query or command and
// nothing else is left out.
func (g *Graph) Mermaid() string {
	p := picture{ids: map[Node]string{}, drawn: map[string]bool{}}
	p.b.WriteString("flowchart LR\n")
	lines := map[Node]int{} // by call
	for e := range g.Edges {
		if e.From.Kind == Line {
			lines[e.To]++
		}
	}
	for _, n := range g.sorted() {
		if n.Kind != Line && !g.single(n) {
			p.node(n, g.Nodes[n])
		}
	}
	for _, call := range slices.SortedFunc(maps.Keys(lines), compareNodes) {
		p.lines(call, lines[call])
	}
	for _, e := range slices.SortedFunc(maps.Keys(g.Edges), func(a, b Edge) int {
		return cmp.Or(compareNodes(a.From, b.From), compareNodes(a.To, b.To), cmp.Compare(a.How, b.How))
	}) {
		if e.From.Kind != Line && !g.single(e.From) && !g.single(e.To) {
			p.edge(e, g.Edges[Edge{e.To, e.From, e.How}])
		}
	}
	return p.b.String()
}

// picture is a drawing under way.
type picture struct {
	b     strings.Builder
	ids   map[Node]string
	drawn map[string]bool
}

// shapes are how Mermaid brackets the kinds.
var shapes = map[Kind][2]string{
	Call: {"([", "])"}, Request: {"(", ")"}, Connection: {"[/", "/]"}, Query: {"[[", "]]"}, Line: {"[", "]"}, Command: {"{{", "}}"},
}

func (p *picture) add(n Node, text string) string {
	id := fmt.Sprintf("%c%d", n.Kind[0], len(p.ids)+1)
	p.ids[n] = id
	fmt.Fprintf(&p.b, "  %s%s\"%s\"%s\n", id, shapes[n.Kind][0], strings.ReplaceAll(text, `"`, "#quot;"), shapes[n.Kind][1])
	return id
}

func (p *picture) node(n Node, what string) {
	text := n.Name
	if what != "" {
		text += "<br>" + what
	}
	p.add(n, text)
}

func (p *picture) lines(call Node, n int) {
	text := fmt.Sprintf("%d lines of the log", n)
	if n == 1 {
		text = "a line of the log"
	}
	id := p.add(Node{Line, call.Name}, text)
	fmt.Fprintf(&p.b, "  %s -->|seen| %s\n", id, p.ids[call])
}

func (p *picture) edge(e Edge, both bool) {
	from, to := p.ids[e.From], p.ids[e.To]
	if p.drawn[to+from+e.How] {
		return
	}
	p.drawn[from+to+e.How] = true
	arrow := "-->"
	if e.How == inferred {
		arrow = dotted
	}
	if both {
		arrow = "<" + arrow
	}
	fmt.Fprintf(&p.b, "  %s %s|%s| %s\n", from, arrow, e.How, to)
}

const dotted = "-.->"

// Solid returns a picture without what was inferred.
func Solid(mermaid string) string {
	var b strings.Builder
	for line := range strings.Lines(mermaid) {
		if !strings.Contains(line, dotted+"|") {
			b.WriteString(line)
		}
	}
	return b.String()
}
