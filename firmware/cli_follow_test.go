package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"heptap/capture"
	"heptap/capture/capturetest/conversation"
	"heptap/capture/record"
	"heptap/firmware/internal/recent"
)

func TestReplayFollow(t *testing.T) {
	file := writeCapture(t, "two.pcap", append(testCall("a@example", start), testCall("b@example", start.Add(time.Minute))...))
	r := heptap(t, nil, "replay", "-follow", "a@example", file).want(t, 0)
	lines := strings.Split(strings.TrimSpace(r.stdout), "\n")
	if len(lines) != 10 || r.stderr != "" { // the heading, 7 messages, 2 reports
		t.Fatalf("%d lines\n%s%s", len(lines), r.stdout, r.stderr)
	}
	for i, want := range []string{"TIME TYPE FLOW LINKED WHAT",
		"2023-11-14T22:13:20.000000Z sip udp 192.0.2.1:5060 > 192.0.2.2:5062 seen INVITE sip:"} {
		if got := strings.Join(strings.Fields(lines[i]), " "); !strings.HasPrefix(got, want) {
			t.Errorf("line %d is %q, want %q", i, got, want)
		}
	}
	reports := 0
	for _, line := range lines[1:] {
		if f := strings.Fields(line); f[1] == "rtp" {
			reports++
			if !strings.Contains(line, " flow ") || !strings.Contains(line, "TOTAL_PK=50 ") || strings.Contains(line, "CORRELATION_ID") {
				t.Errorf("report %q", line)
			}
		}
	}
	if reports != 2 || !slices.IsSorted(lines[1:]) {
		t.Errorf("%d reports\n%s", reports, r.stdout)
	}
	out, sum := filepath.Join(t.TempDir(), "out.hep"), filepath.Join(t.TempDir(), "sum.json")
	both := heptap(t, nil, "replay", "-follow", "a@example", "-o", out, "-summary", sum, file).want(t, 0)
	if n := len(heptap(t, nil, "decode", out).want(t, 0).lines(t)); both.stdout != r.stdout || n != 18 {
		t.Errorf("with -o another list, or %d packets", n)
	}
}

// followedLine has the keys of replay -follow -json that users script against.
type followedLine struct {
	packetLine
	Record, From uint64
	Depth        int
	How          string
	Via          struct{ Type, ID, How string }
	Links        []struct{ Type, ID, How string }
}

func followed(t *testing.T, stdout string) (out []followedLine) {
	t.Helper()
	for line := range strings.Lines(stdout) {
		var l followedLine
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatalf("line %q: %v", line, err)
		}
		out = append(out, l)
	}
	return out
}

// TestReplayFollowConnection goes from a call to the connection it went over.
func TestReplayFollowConnection(t *testing.T) {
	c := conversation.New(11, conversation.TCP)
	file := filepath.Join(t.TempDir(), "tcp.pcap")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Render(1).WritePcap(f); err != nil {
		t.Fatal(err)
	}
	f.Close()
	ids := map[string]int{}
	for _, m := range c.Messages {
		ids[m.CallID]++
	}
	call := c.Messages[0].CallID
	lines := followed(t, heptap(t, nil, "replay", "-json", "-follow", call, file).want(t, 0).stdout)
	types, connection := map[string]int{}, ""
	for _, l := range lines {
		types[l.TypeName]++
		if l.TypeName == "sip" && l.Primary != call {
			t.Errorf("a message of %s, which shares the connection", l.Primary)
		}
		if l.TypeName == "net" {
			connection = l.Primary
		}
	}
	if types["sip"] != ids[call] || types["net"] != 2 { // opened, and its end
		t.Fatalf("%v, want %d of sip and 2 of net", types, ids[call])
	}
	lines = followed(t, heptap(t, nil, "replay", "-json", "-follow", connection, "-follow-depth", "0", file).want(t, 0).stdout)
	clear(types)
	for _, l := range lines {
		types[l.TypeName]++
		if l.Depth != 0 || l.From != 0 || l.Via.Type != "net" || l.Via.ID != connection {
			t.Errorf("%+v", l)
		}
		if l.TypeName == "sip" && (l.How != "flow" || len(l.Links) != 1 || l.Links[0].ID != connection || l.Payload == nil) {
			t.Errorf("%+v", l)
		}
	}
	if types["sip"] != len(c.Messages) || types["net"] != 2 {
		t.Errorf("%v in the connection, want %d of sip", types, len(c.Messages))
	}
}

func TestReplayFollowTooMuch(t *testing.T) {
	var frames []capture.Frame
	for i := range 300 {
		frames = append(frames, testCall(fmt.Sprintf("%c-%d@example", 'a'+i%20, i), start.Add(time.Duration(i)*time.Minute))...)
	}
	file := writeCapture(t, "many.pcap", frames)
	r := heptap(t, nil, "replay", "-follow", "t-299@example", "-follow-memory", "1", file).want(t, 0, "not looked at", "1 MiB", "-follow-memory")
	if n := strings.Count(r.stdout, "\n"); n != 10 {
		t.Errorf("%d lines of the newest call", n)
	}
	heptap(t, nil, "replay", "-follow", "a-0@example", "-follow-memory", "1", file).want(t, 1, "not looked at", `names "a-0@example"`)
	if r := heptap(t, nil, "replay", "-follow", "a-0@example", file).want(t, 0); r.stderr != "" {
		t.Errorf("by default: %s", r.stderr)
	}
}

func TestReplayFollowWrongly(t *testing.T) {
	file := writeCapture(t, "c.pcap", testCall("c@example", start))
	for _, tc := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"-follow", "nobody@example", file}, 1, `no record of 9 names "nobody@example"`},
		{[]string{"-follow", "", file}, 2, "the id is empty"},
		{[]string{"-follow", "x", "-o", "-", file}, 2, "-o and -summary need files"},
		{[]string{"-follow", "x", "-summary", "-", file}, 2, "-o and -summary need files"},
		{[]string{"-json", "-o", "-", file}, 2, "-json is about -follow"},
		{[]string{"-follow-depth", "2", "-o", "-", file}, 2, "-follow-depth is about -follow"},
		{[]string{"-follow", "x", "-follow-memory", "0", file}, 2, "want 1 to 65536 MiB"},
		{[]string{"-follow", "x", "-follow-depth", "-1", file}, 2, "want 0 or more"},
		{[]string{"-follow", "x"}, 2, "no capture file named"},
	} {
		heptap(t, nil, append([]string{"replay"}, tc.args...)...).want(t, tc.code, tc.want)
	}
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	r := heptap(t, nil, "replay", "-follow", "c@example", write(t, "cut.pcap", string(whole[:len(whole)-1]))).want(t, 1, "cut.pcap", "offset")
	if n := strings.Count(r.stdout, "\n"); n != 9 { // the heading, and all but the last message
		t.Errorf("%d lines before the damage", n)
	}
}

// TestFollowBothWays asserts over generated conversations that what one record
// names leads back to it: whoever names an id is found around it, and following
// from either side finds the other.
func TestFollowBothWays(t *testing.T) {
	for _, transport := range []conversation.Transport{conversation.UDP, conversation.TCP, conversation.WebSocket, conversation.SCTP} {
		t.Run(transport.String(), func(t *testing.T) {
			t.Parallel()
			var renderings []*conversation.Rendering
			for i := range uint64(together) {
				renderings = append(renderings, conversation.New(700_000+i, transport).Render(i))
			}
			store := recent.New(recent.Config{Bytes: 32 << 20})
			pipeline(t, renderings, store.Add)
			st := store.Stats()
			if st.Records < 100 || st.Evicted+st.Refused > 0 {
				t.Fatalf("%+v", st)
			}
			checkBothWays(t, store, renderings, transport == conversation.TCP || transport == conversation.WebSocket)
		})
	}
}

func checkBothWays(t *testing.T, store *recent.Store, renderings []*conversation.Rendering, net bool) {
	seen, links := map[uint64]bool{}, 0
	for _, rendering := range renderings {
		for _, m := range rendering.Conversation.Messages {
			for _, r := range store.Follow(record.SIP, []byte(m.CallID), recent.Limits{Depth: 1}).Found {
				if seen[r.Seq] {
					continue
				}
				seen[r.Seq] = true
				for _, l := range r.Links {
					links++
					if !holds(store.Around(l.Type, l.ID), r.Seq) {
						t.Fatalf("record %d names %v %s and is not found around it", r.Seq, l.Type, l.ID)
					}
					for _, other := range store.Around(l.Type, l.ID) {
						if string(other.Primary) != string(l.ID) || recent.Under(other.Type) != recent.Under(l.Type) {
							continue
						}
						own := r.Type
						if own == record.Control { // under the type that its id has in its links
							own = 0
						}
						there := store.Follow(own, r.Primary, recent.Limits{Depth: 1})
						back := store.Follow(other.Type, other.Primary, recent.Limits{})
						if !slices.ContainsFunc(there.Found, func(f recent.Found) bool { return f.Seq == other.Seq }) ||
							!slices.ContainsFunc(back.Found, func(f recent.Found) bool { return f.Seq == r.Seq }) {
							t.Fatalf("record %d names %d, and one does not lead to the other", r.Seq, other.Seq)
						}
					}
				}
			}
		}
	}
	if net && links < 100 {
		t.Errorf("%d links", links)
	}
}

func holds(records []record.Record, seq uint64) bool {
	return slices.ContainsFunc(records, func(r record.Record) bool { return r.Seq == seq })
}
