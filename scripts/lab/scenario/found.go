package scenario

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"heptap/scripts/lab/box"
)

// The HEP types, with those of package box.
const (
	typeMI   = 87
	typeREST = 88
	typeLink = 96 // a link that was found late, under the id of the query or connection
	typeLog  = 100
)

// entry is a record as it is looked at here.
type entry struct {
	Type    int    `json:"type"`
	Primary string `json:"primary"`
	Links   []link `json:"links"`
	Payload string `json:"payload"`
	Number  uint64 `json:"record"` // in a replay
}

// link is an id that a record names besides its primary one.
type link struct {
	Type string `json:"type"`
	ID   string `json:"id"`
	How  string `json:"how"`
}

// ofCollector takes over what HEP says: ids, and not how they were found.
func ofCollector(records []box.Record) (all []entry) {
	for i := range records {
		r := &records[i]
		e := entry{Type: r.Type, Primary: r.Primary, Payload: r.Payload}
		for kind, ids := range r.Extra {
			switch ids := ids.(type) {
			case string:
				e.Links = append(e.Links, link{Type: kind, ID: ids})
			case []any:
				for _, id := range ids {
					e.Links = append(e.Links, link{Type: kind, ID: fmt.Sprint(id)})
				}
			}
		}
		all = append(all, e)
	}
	return all
}

// payload has what is read of the payloads of the types.
type payload struct {
	Protocol   string // of a connection, as everything up to TLS
	State      string
	Carries    string
	Message    string
	EndedBy    string `json:"ended_by"`
	ClientIP   string `json:"client_ip"`
	ClientPort uint16 `json:"client_port"`
	ServerPort uint16 `json:"server_port"`
	TLS        string `json:"tls_version"`
	Faults     string `json:"server_certificate_faults"`

	FirstLine string `json:"first_line"` // of a query
	Status    int

	Command, Backend string // of a command
	OK               *bool

	Text string // of a line
}

// reading is what records say, under way to a graph.
type reading struct {
	truth *truth
	graph *Graph
	nodes map[string]Node // of connections, queries and commands, by type and id
	late  map[Edge]bool   // that a record of links has told
}

// found makes a graph of records.
func (t *truth) found(records []entry) *Graph {
	r := reading{t, NewGraph(), map[string]Node{}, map[Edge]bool{}}
	for i := range records {
		r.name(&records[i])
	}
	for i := range records {
		r.links(&records[i])
	}
	return r.graph
}

func (e *entry) key() string { return fmt.Sprint(e.Type, " ", e.Primary) }

// name takes in what a record says of its node.
func (r *reading) name(e *entry) {
	var p payload
	if e.Type != box.TypeSIP {
		if err := json.Unmarshal([]byte(e.Payload), &p); err != nil {
			p.Text = e.Payload
		}
	}
	n, had := r.nodes[e.key()]
	switch e.Type {
	case box.TypeSIP:
		r.graph.Nodes[r.node(e)] = ""
	case box.TypeNet:
		if !had {
			n = r.truth.connectionNode(&p)
		}
		r.graph.Nodes[n] = became(r.graph.Nodes[n], &p)
	case typeREST:
		if !had {
			method, rest, _ := strings.Cut(p.FirstLine, " ")
			target, _, _ := strings.Cut(rest, " ")
			n = Node{Query, method + " " + target}
		}
		r.graph.Nodes[n] = ""
		if p.Status != 0 {
			r.graph.Nodes[n] = fmt.Sprint(p.Status)
		}
	case typeMI:
		if !had {
			n = Node{Command, p.Command + " over " + map[string]string{"json": "HTTP", "datagram": "UDP"}[p.Backend]}
		}
		r.graph.Nodes[n] = ""
		if p.OK != nil {
			r.graph.Nodes[n] = map[bool]string{true: "ok", false: "failed"}[*p.OK]
		}
	case typeLink: // is no node
		return
	default:
		n = r.node(e)
		r.graph.Nodes[n] = ""
	}
	r.nodes[e.key()] = n
	if n.Kind == Query || n.Kind == Command || n.Kind == Line {
		r.graph.Told[n]++
	}
}

// node is what a record is about.
func (r *reading) node(e *entry) Node {
	switch e.Type {
	case box.TypeSIP:
		return r.call(e.Primary)
	case box.TypeNet, typeREST, typeMI:
		return r.nodes[e.key()]
	case typeLink:
		for _, kind := range []int{typeREST, box.TypeNet} {
			if n, known := r.nodes[fmt.Sprint(kind, " ", e.Primary)]; known {
				return n
			}
		}
		return r.call(e.Primary)
	case typeLog:
		var p payload
		if err := json.Unmarshal([]byte(e.Payload), &p); err == nil && p.Text != "" {
			return Node{Line, r.truth.normal(text(p.Text))}
		}
	}
	return Node{Kind(fmt.Sprint("type ", e.Type)), e.Payload}
}

// call is the node of a Call-ID.
func (r *reading) call(id string) Node {
	if n, known := r.truth.names[id]; known {
		return n
	}
	return Node{Call, id}
}

// connectionNode finds a connection by who opened it.
func (t *truth) connectionNode(p *payload) Node {
	if p.ServerPort == portClosed {
		return toClosed
	}
	addr, _ := netip.ParseAddr(p.ClientIP)
	if n, known := t.clients[netip.AddrPortFrom(addr, p.ClientPort)]; known {
		return n
	}
	return Node{Connection, fmt.Sprintf("%s:%d to port %d", p.ClientIP, p.ClientPort, p.ServerPort)}
}

// became adds what a record says to what a connection had become.
func became(was string, p *payload) string {
	if was == "" {
		was = p.Protocol
		if p.TLS != "" {
			was = p.TLS
		}
	}
	what := p.State
	switch {
	case p.Protocol == "TLS" && p.State == "failed":
		what += strings.TrimPrefix(p.Message, "TLS handshake failed")
		if p.Faults != "" {
			what += "; server's certificate: " + p.Faults
		}
	case p.Protocol == "TCP" && p.EndedBy != "" && p.Carries == "": // of TLS, WebSocket and HTTP both ends close
		what += " by the " + p.EndedBy
	}
	return was + ", " + what
}

// links takes in what a record names.
func (r *reading) links(e *entry) {
	from := r.node(e)
	for _, l := range e.Links {
		var to Node
		switch l.Type {
		case "sip":
			to = r.call(l.ID)
		case "net":
			to = r.nodes[fmt.Sprint(box.TypeNet, " ", l.ID)]
		case "rest":
			to = r.nodes[fmt.Sprint(typeREST, " ", l.ID)]
		case "mi":
			to = r.nodes[fmt.Sprint(typeMI, " ", l.ID)]
		}
		if to == (Node{}) {
			to = Node{Kind(l.Type), l.ID}
		}
		if to == from {
			continue
		}
		if edge := (Edge{from, to, l.How}); e.Type == typeLink && r.late[edge] {
			to = Node{"link told twice", to.Name}
			r.graph.Nodes[to] = ""
		} else if e.Type == typeLink {
			r.late[edge] = true
		}
		r.graph.link(from, to, l.How)
	}
}

// replay has the binary replay what tcpdump wrote, and follows every id there
// is.
func (s *stage) replay(ctx context.Context) (*Graph, map[Node]map[Node]bool, error) {
	out := filepath.Join(s.site.Dir(), "replayed.hep")
	if _, err := s.heptap(ctx, "replay", "-o", out, s.witness.File()); err != nil {
		return nil, nil, err
	}
	records, err := box.Decode(s.binary, out)
	if err != nil {
		return nil, nil, err
	}
	r := reading{s.truth, NewGraph(), map[string]Node{}, map[Edge]bool{}}
	all, starts := ofCollector(records), map[string]Node{}
	for i := range all {
		r.name(&all[i])
	}
	for i := range all {
		e := &all[i]
		starts[e.Primary] = r.node(e)
		if e.Type == typeLog {
			starts[e.Primary] = r.call(e.Primary)
		}
	}
	told, reached := map[uint64]entry{}, map[Node]map[Node]bool{}
	for id, start := range starts {
		lines, err := s.follow(ctx, id)
		if err != nil {
			return nil, nil, err
		}
		reached[start] = map[Node]bool{}
		for _, e := range lines {
			told[e.Number] = e
			reached[start][r.node(&e)] = true
		}
	}
	var union []entry
	for _, e := range told {
		union = append(union, e)
	}
	slices.SortFunc(union, func(a, b entry) int { return int(a.Number) - int(b.Number) })
	return s.truth.found(union), reached, nil
}

// follow returns the records that an id leads to.
func (s *stage) follow(ctx context.Context, id string) (lines []entry, err error) {
	out, err := s.heptap(ctx, "replay", "-follow", id, "-follow-depth", "1", "-json", s.witness.File())
	if err != nil {
		return nil, err
	}
	in := json.NewDecoder(bytes.NewReader(out))
	for in.More() {
		var e entry
		if err := in.Decode(&e); err != nil {
			return nil, err
		}
		lines = append(lines, e)
	}
	return lines, nil
}

// heptap runs the binary and returns what it writes.
func (s *stage) heptap(ctx context.Context, args ...string) ([]byte, error) {
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, s.binary, args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("heptap %s: %w\n%s", strings.Join(args, " "), err, &stderr)
	}
	return out, nil
}
