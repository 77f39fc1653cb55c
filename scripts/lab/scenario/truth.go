package scenario

import (
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"heptap/scripts/lab"
	"heptap/scripts/lab/sipp"
)

// truth is what the parts know themselves: Kamailio by its log, the router and
// the administrator by theirs, who opened a connection by the port it had.
type truth struct {
	graph    *Graph
	names    map[string]Node           // by Call-ID
	clients  map[netip.AddrPort]Node   // connections by who opened them
	became   map[Node]string           // of these
	callee   netip.AddrPort            // the proxy's end of its connection to the callee over TCP
	others   map[string]netip.AddrPort // further connections of calls, by Call-ID
	commands []command
}

func newTruth() *truth {
	return &truth{graph: NewGraph(), names: map[string]Node{}, clients: map[netip.AddrPort]Node{}, became: map[Node]string{}, others: map[string]netip.AddrPort{}}
}

// script is how lines of Kamailio's log begin that its configuration writes.
const script = "<script>: "

// Connections by other means than their client's port.
var (
	toCallee = Node{Connection, "proxy to the TCP callee"}
	toClosed = Node{Connection, "proxy to a closed port"}
)

const portClosed = 5099 // relay.cfg

// Clients that refuse a certificate.
const (
	nameOpenSSL12 = "OpenSSL over TLS 1.2"
	nameOpenSSL13 = "OpenSSL over TLS 1.3"
	nameGo13      = "Go over TLS 1.3"
)

// connection notes a connection of a client.
func (t *truth) connection(client netip.AddrPort, name, became string) {
	n := Node{Connection, name}
	t.clients[client], t.became[n] = n, became
}

// encrypted notes the connection of a call that went over TLS.
func (t *truth) encrypted(client netip.AddrPort, version, number string) {
	t.connection(client, "phone over "+version, version+", opened, closed")
	t.graph.unsaid(t.clients[client], Node{Call, callName(number)})
}

// byed notes that a call ended on another connection.
func (t *truth) byed(callID string, client netip.AddrPort) {
	t.others[callID] = client
}

// between looks up who has a connection to a port of a host, in the kernel's
// table (proc_net_tcp, "local rem st" with addresses in hexadecimal, as octets of
// a little-endian word). There must be one.
func (t *truth) between(h *lab.Host, port uint16) error {
	var table []byte
	err := h.Do(func() (err error) {
		table, err = os.ReadFile("/proc/thread-self/net/tcp")
		return err
	})
	if err != nil {
		return err
	}
	open := regexp.MustCompile(fmt.Sprintf(`:%04X ([0-9A-F]{8}):([0-9A-F]{4}) 01 `, port)).FindAllSubmatch(table, -1)
	if len(open) != 1 {
		return fmt.Errorf("%d connections to port %d, want one:\n%s", len(open), port, table)
	}
	b, err := hex.DecodeString(string(open[0][1]))
	p, perr := strconv.ParseUint(string(open[0][2]), 16, 16)
	if err != nil || perr != nil {
		return errors.Join(err, perr)
	}
	slices.Reverse(b)
	addr, _ := netip.AddrFromSlice(b)
	t.callee = netip.AddrPortFrom(addr, uint16(p))
	return nil
}

// said is a request in Kamailio's log.
var said = regexp.MustCompile(`^([A-Z]+) from (\w+):([\d.]+:\d+) of (\S+) for (\S+) (?:\[|callid=)([^\]]+)\]?$`)

// take makes the graph of what everybody has noted.
func (t *truth) take(s *stage) error {
	t.connection(t.callee, toCallee.Name, "TCP, opened, closed by the client")
	log := linesOf(s.proxy.Log())
	for _, line := range log {
		m := said.FindStringSubmatch(text(line))
		if m == nil {
			continue
		}
		t.request(m[1], m[2], netip.MustParseAddrPort(m[3]), m[4], m[5], m[6])
	}
	if err := t.answered(s.answersUDP, s.answersTCP); err != nil {
		return err
	}
	if err := t.failed(s.proxy.Log(), net.JoinHostPort(s.callees.Addr.String(), fmt.Sprint(portClosed))); err != nil {
		return err
	}
	if n := len(t.calls()); n != callsInAll {
		return fmt.Errorf("kamailio's log has %d calls, want %d", n, callsInAll)
	}
	for n, became := range t.became {
		t.graph.Nodes[n] = became
	}
	t.graph.Nodes[toClosed] = "TCP, refused by the server"
	t.beside(s.router.log(), log)
	return nil
}

// alerted is what Kamailio's log says of an alert that ended a handshake.
var alerted = regexp.MustCompile(`sslv3 alert ([a-z ]+) \(sni: ` + regexp.QuoteMeta(expiredName) + `\)[^|]*?src addr: (\S+)`)

// failed holds what Kamailio's log says of connections that failed against what
// the clients were to do.
func (t *truth) failed(log, closed string) error {
	if !strings.Contains(log, "connect "+closed+" failed (RST) Connection refused") {
		return fmt.Errorf("kamailio's log has no refusal by %s", closed)
	}
	said := map[string]string{}
	for _, m := range alerted.FindAllStringSubmatch(log, -1) {
		said[t.clients[netip.MustParseAddrPort(m[2])].Name] = m[1]
	}
	want := map[string]string{nameOpenSSL12: "certificate expired", nameOpenSSL13: "certificate expired", nameGo13: "bad certificate"}
	if !maps.Equal(said, want) {
		return fmt.Errorf("kamailio's log has the alerts %v, want %v", said, want)
	}
	return nil
}

// request takes in a request that Kamailio got.
func (t *truth) request(method, transport string, from netip.AddrPort, user, target, callID string) {
	if method == "REGISTER" {
		t.connection(from, user+" over WebSocket", "WS, opened, closed")
	}
	n := Node{Request, method + " of " + user}
	if method == "INVITE" {
		n = Node{Call, callName(target)}
	}
	t.names[callID] = n
	t.graph.Nodes[n] = ""
	var over []Node
	if transport == "tcp" || transport == "ws" {
		if _, known := t.clients[from]; !known {
			t.connection(from, "TCP callers", "TCP, opened, closed by the client")
		}
		over = append(over, t.clients[from])
	}
	switch {
	case strings.HasPrefix(target, prefixTCP):
		over = append(over, toCallee)
	case target == userWeb && method != "REGISTER":
		over = append(over, Node{Connection, userWeb + " over WebSocket"})
	}
	if client, more := t.others[callID]; more {
		over = append(over, t.clients[client])
	}
	for _, c := range over {
		t.graph.link(n, c, "flow")
		t.graph.link(c, n, "flow")
	}
}

// callName names a call by the number that was called.
func callName(number string) string {
	switch number {
	case numberTLS12:
		return "call over TLS 1.2"
	case numberTLS13:
		return "call over TLS 1.3"
	case numberReset:
		return "call with a reset"
	case numberIdle:
		return "call before the silence"
	case numberClosed:
		return "call to a closed port"
	case userWeb:
		return "call over WebSocket"
	}
	for prefix, transport := range map[string]string{prefixUDP: "UDP", prefixTCP: "TCP", prefixNumber: "UDP, by number,"} {
		if n, ok := strings.CutPrefix(number, prefix); ok {
			return "call over " + transport + " " + n
		}
	}
	return "call of " + number
}

// calls are the Call-IDs of calls.
func (t *truth) calls() (ids []string) {
	for id, n := range t.names {
		if n.Kind == Call {
			ids = append(ids, id)
		}
	}
	return ids
}

// answered holds what the callees have against Kamailio's log.
func (t *truth) answered(callees ...*sipp.Phone) error {
	var all []string
	for _, p := range callees {
		ids, err := p.CallIDs()
		if err != nil {
			return err
		}
		all = append(all, ids...)
	}
	for _, id := range t.calls() {
		n := t.names[id].Name
		if n == callName(userWeb) || n == callName(numberClosed) {
			continue
		}
		if !slices.Contains(all, id) {
			return fmt.Errorf("kamailio's log has %s (%s), of which no callee knows", n, id)
		}
	}
	if len(all) != len(t.calls())-2 {
		return fmt.Errorf("the callees have %d calls, Kamailio's log %d", len(all)+2, len(t.calls()))
	}
	return nil
}

// beside takes in what is beside signalling.
func (t *truth) beside(asked []asked, log []string) {
	for _, a := range asked {
		n := Node{Query, a.method + " " + a.target}
		t.graph.Nodes[n] = strconv.Itoa(a.status)
		t.graph.Told[n] += 2 // the query, and its reply
		t.over(n, a.from)
		if a.callID != "" {
			t.graph.link(n, t.names[a.callID], "seen")
		} else if _, number, ok := strings.Cut(a.target, "number="); ok {
			t.graph.unsaid(n, Node{Call, callName(number)})
		}
	}
	t.graph.unsaid(toClosed, Node{Call, callName(numberClosed)})
	for _, line := range log {
		for _, id := range t.calls() {
			if strings.Contains(line, id) {
				n := Node{Line, t.normal(text(line))}
				t.graph.Nodes[n] = ""
				t.graph.Told[n]++
				t.graph.link(n, t.names[id], "seen")
			}
		}
	}
	for _, c := range t.commands {
		n := Node{Command, c.name + " over " + c.over}
		t.graph.Nodes[n] = map[bool]string{true: "ok", false: "failed"}[c.ok]
		t.graph.Told[n] += 2
		if c.from.IsValid() {
			t.over(n, c.from)
		}
		if c.callID != "" {
			t.graph.link(n, t.names[c.callID], "seen")
		}
	}
}

// over notes the connection of a query or command, which has one of its own.
func (t *truth) over(n Node, client netip.AddrPort) {
	c := Node{Connection, "HTTP: " + n.Name}
	t.clients[client] = c
	t.graph.Nodes[c] = "TCP, opened, closed"
	t.graph.link(n, c, "flow")
	t.graph.link(c, n, "flow")
}

// text is what a line of Kamailio's log says.
func text(line string) string {
	line = strings.TrimSpace(line)
	if _, after, ok := strings.Cut(line, script); ok {
		return after
	}
	return line
}

var port = regexp.MustCompile(`(\d+\.\d+\.\d+\.\d+):\d+ of`)

// normal is a text as it is in every run.
func (t *truth) normal(text string) string {
	for id, n := range t.names {
		text = strings.ReplaceAll(text, id, n.Name)
	}
	return port.ReplaceAllString(text, "$1 of")
}

func linesOf(s string) []string { return strings.Split(strings.TrimRight(s, "\n"), "\n") }
