package mirror_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"heptap/capture/mirror"
)

var update = flag.Bool("update", false, "write the golden reports anew")

// TestReports holds what an installer reads against the reports in testdata:
// one per scenario.
func TestReports(t *testing.T) {
	for _, c := range []struct {
		name    string
		seconds int
		site    func(s *site)
	}{
		{"healthy", 300, func(*site) {}},
		{"too-early", 20, func(*site) {}},
		{"no-link", 10, func(s *site) { s.link = mirror.LinkDown }},
		{"no-frames", 60, func(s *site) { s.disconnect = true }},
		{"not-a-mirror", 200, func(s *site) { s.flooded = true }},
		{"one-direction", 120, func(s *site) { s.oneWay = true }},
		{"some-one-way", 120, func(s *site) { s.asymmetric, s.tcp, s.phones = .7, 60, 10 }},
		{"doubled", 120, func(s *site) { s.copies = 1 }},
		{"cut", 120, func(s *site) { s.cut = .2 }},
		{"drops-by-tcp", 300, func(s *site) { s.drop = .004 }},
		{"drops-by-rtcp", 600, func(s *site) { s.drop, s.tcp = .05, 0 }},
		{"common-loss", 300, func(s *site) { s.overload, s.tcp = .1, 0 }},
		{"lossy-network", 600, func(s *site) { s.lossy, s.loss, s.behind, s.burst = .3, .03, .01, 4 }},
		{"sip-without-rtp", 300, func(s *site) { s.silent = 1 }},
		{"rtp-without-sip", 300, func(s *site) { s.noSIP = true }},
		{"tls-only", 300, func(s *site) { s.tls = true }},
		{"ring-drops", 120, func(s *site) { s.ringDrops = func(t int) bool { return t%20 == 0 } }},
		{"vxlan", 120, func(s *site) { s.encap = 6 }},
		{"silence", 400, func(s *site) { s.night = func(t int) bool { return t > 100 } }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSite(1)
			c.site(s)
			j := mirror.New(mirror.Config{Port: "span0"})
			s.watch(j, c.seconds, nil)
			golden(t, c.name, string(j.AppendReport(nil)))
		})
	}
}

func TestReportOfUnread(t *testing.T) {
	s := newSite(1)
	j := mirror.New(mirror.Config{Port: "span0"})
	for range 200 {
		s.s.Unread += 40
		s.s.Received += 40
		s.s.UnreadByName = [mirror.MaxNamed]mirror.Named{{Name: "ethertype 0x88e5 (MACsec)", Frames: s.s.Unread * 3 / 4}, {Name: "ip protocol 89 (OSPF)", Frames: s.s.Unread / 4}}
		s.s.Frames.Giant++
		s.watch(j, 1, nil)
	}
	golden(t, "not-understood", string(j.AppendReport(nil)))
}

// TestEveryKindIsShown: there is a scenario for each kind, so that no text goes
// unread.
func TestEveryKindIsShown(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(b)
	}
	for k := range mirror.NumKinds {
		if !strings.Contains(all.String(), "\n           "+k.String()+"; for ") {
			t.Errorf("no report shows %q", k)
		}
	}
}

// TestIssueSentence: the sentence that the installer was promised, word for
// word. Its numbers are those of the last full minute, no more: what the line
// "in the last 60 s" below it says.
func TestIssueSentence(t *testing.T) {
	j := mirror.New(mirror.Config{})
	x := mirror.Sample{Link: mirror.LinkUp, Talk: mirror.Talk{TCPBoth: 30}}
	for at := range 90 {
		j.Observe(int64(at)*second, &x)
		const segments = 1300 // a second
		unseen := uint64(5)   // 312 in a minute
		if at%5 == 0 {
			unseen++
		}
		x.Received += segments
		x.Decoded += segments
		x.Frames.Unicast += segments
		x.TCP.Seen += segments - unseen
		x.TCP.Unseen += unseen
		x.TCP.Connections = uint64(at)
	}
	v := has(j.Verdicts(nil), mirror.Drops)
	if v == nil {
		t.Fatal(string(j.AppendReport(nil)))
	}
	if got, want := string(v.AppendText(nil)), "the mirror drops 0.4 %: 312 segments were acknowledged that we never saw"; got != want {
		t.Errorf("says  %q\nwants %q", got, want)
	}
	if v.Window != time.Minute {
		t.Errorf("over %v", v.Window)
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".txt")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", file, got, want)
	}
}
