package guest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"sync"
)

// monitor is a connection to QEMU's machine protocol.
type monitor struct {
	mu  sync.Mutex // one command at a time
	enc *json.Encoder
	dec *json.Decoder
}

func newMonitor(c net.Conn) (*monitor, error) {
	m := &monitor{enc: json.NewEncoder(c), dec: json.NewDecoder(c)}
	var greeting struct{ QMP json.RawMessage }
	if err := m.dec.Decode(&greeting); err != nil {
		return nil, fmt.Errorf("qmp: %w", err)
	}
	_, err := m.command("qmp_capabilities", nil)
	return m, err
}

func (m *monitor) command(name string, args any) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.enc.Encode(struct {
		Execute   string `json:"execute"`
		Arguments any    `json:"arguments,omitempty"`
	}{name, args}); err != nil {
		return nil, fmt.Errorf("qmp: %s: %w", name, err)
	}
	for {
		var reply struct {
			Return json.RawMessage
			Error  *struct{ Desc string }
			Event  string
		}
		switch err := m.dec.Decode(&reply); {
		case err != nil:
			return nil, fmt.Errorf("qmp: %s: %w", name, err)
		case reply.Error != nil:
			return nil, fmt.Errorf("qmp: %s: %s", name, reply.Error.Desc)
		case reply.Return != nil:
			return reply.Return, nil
		} // else an event
	}
}

func (m *monitor) human(line string) (string, error) {
	out, err := m.command("human-monitor-command", map[string]string{"command-line": line})
	if err != nil {
		return "", err
	}
	var text string
	err = json.Unmarshal(out, &text)
	return strings.TrimSpace(text), err
}

// qtest is a connection to the protocol that QEMU's own device tests use
// (softmmu/qtest.c). It works beside a machine that runs.
type qtest struct {
	mu sync.Mutex // one command at a time
	c  net.Conn
	r  *bufio.Reader
}

func newQtest(c net.Conn) *qtest { return &qtest{c: c, r: bufio.NewReader(c)} }

func (q *qtest) command(line string) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if _, err := fmt.Fprintf(q.c, "%s\n", line); err != nil {
		return fmt.Errorf("qtest: %w", err)
	}
	for {
		reply, err := q.r.ReadString('\n')
		switch {
		case err != nil:
			return fmt.Errorf("qtest: %s: %w", line, err)
		case strings.HasPrefix(reply, "IRQ "): // of a line that is watched
		case strings.HasPrefix(reply, "OK"):
			return nil
		default:
			return fmt.Errorf("qtest: %s: %s", line, strings.TrimSpace(reply))
		}
	}
}
