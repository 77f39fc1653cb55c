package span_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"heptap/scripts/lab"
	"heptap/scripts/lab/box"
)

// net is the payload of a record of a connection.
type net struct {
	Status, State string
	EndedBy       string `json:"ended_by"`
	ClientIP      string `json:"client_ip"`
	ServerPort    int    `json:"server_port"`
	MSS           int    `json:"mss_client"`
	SYNs          int    `json:"syn_sent"`
	Octets        int    `json:"octets_client"`
	Calls         []string
	Total         int `json:"calls_total"`
}

// connections returns what the collector has of connections, by id.
func connections(t *testing.T, records []box.Record) map[string][]net {
	t.Helper()
	all := map[string][]net{}
	for _, r := range records {
		if r.Type != box.TypeNet {
			continue
		}
		var n net
		if err := json.Unmarshal([]byte(r.Payload), &n); err != nil {
			t.Errorf("%v: %s", err, r.Payload)
		}
		all[r.Primary] = append(all[r.Primary], n)
	}
	return all
}

// checkConnections wants so many connections, each opened and closed, and all
// calls linked to theirs and back.
func checkConnections(t *testing.T, records []box.Record, want, calls int) {
	t.Helper()
	all := connections(t, records)
	if len(all) != want {
		t.Errorf("%d connections, want %d", len(all), want)
	}
	there := map[string]map[string]bool{} // calls by connection, as SIP tells
	for _, r := range records {
		if r.Type != box.TypeSIP {
			continue
		}
		id := fmt.Sprint(r.Extra["net"])
		if all[id] == nil {
			t.Errorf("a message of %s is on connection %q, of which there is no record", r.Primary, id)
			return
		}
		if there[id] == nil {
			there[id] = map[string]bool{}
		}
		there[id][r.Primary] = true
	}
	total := 0
	for id, n := range all {
		if len(n) != 2 || n[0].State != "opened" || n[0].Status != "SUCCESS" || n[0].ServerPort != 5060 || n[0].MSS == 0 || n[0].SYNs != 1 ||
			n[1].State != "closed" || n[1].EndedBy == "" || n[1].Octets == 0 {
			t.Errorf("connection %s: %+v", id, n)
			continue
		}
		total += n[1].Total
		if back := slices.Sorted(slices.Values(n[1].Calls)); !slices.Equal(back, slices.Sorted(maps.Keys(there[id]))) {
			t.Errorf("connection %s carried %q, and says %q", id, slices.Sorted(maps.Keys(there[id])), back)
		}
	}
	if total != calls {
		t.Errorf("connections count %d calls, want %d", total, calls)
	}
}

// TestConnectionsThatFail has a host ask for ports where nobody listens, and for
// a host that is not there.
func TestConnectionsThatFail(t *testing.T) {
	t.Parallel()
	s := newScene(t, lab.SiteConfig{}, nil)
	try := func(port int) {
		run(t, s.Site, s.A, "timeout", "2", "bash", "-c", fmt.Sprintf("(exec 3<>/dev/tcp/%s/%d) || true", s.B.Addr, port))
	}
	try(5060)
	try(5061)
	try(22)                 // nobody's business
	time.Sleep(time.Second) // a tap learns of it when it has passed by
	records, m := s.finish(t)
	s.seen(t)
	if n := s.count(t, "tcp.flags.reset == 1"); n != 3 {
		t.Errorf("tshark finds %d refusals", n)
	}
	ports := map[int]int{}
	for id, n := range connections(t, records) {
		if len(n) != 1 || n[0].State != "refused" || n[0].Status != "FAILURE" || n[0].EndedBy != "server" || n[0].ClientIP != s.A.Addr.String() {
			t.Errorf("connection %s: %+v", id, n)
		}
		ports[n[0].ServerPort]++
	}
	if !maps.Equal(ports, map[int]int{5060: 1, 5061: 1}) {
		t.Errorf("refused on ports %v", ports)
	}
	if n := m.Sum("heptap_net_total", `state="refused"`); n != 2 {
		t.Errorf("%v counted", n)
	}
}
