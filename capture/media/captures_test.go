package media_test

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"heptap/capture"
	"heptap/capture/media"
)

// differs says where tshark 4.0.17 and we do not agree, and who is right. The
// key is a file, or a file and an SSRC.
var differs = map[string]struct {
	why           string
	packets, lost int64 // ours, over all streams with that SSRC; 0: we see no such stream
}{
	"arkime+arkime/gtp-iphone.pcap": {why: "the RTP is in GTP-U, which decode opens and this test does not"},
	"open5gs+open5gs/volte.pcapng":  {why: "the RTP is in GTP-U, which decode opens and this test does not"},
	"ntop+nDPI/fuzz-2006-06-26-2594.pcap 0xaaaaaaaa": {
		why: "a fuzzed packet: its padding of 170 octets is more than its payload, which RFC 3550 A.1 refuses"},
	"sipcapture+heplify/FAX-Call-t38-CA-TDM-SIP-FB-1.pcap 0x0eaf0eaf": {
		why: "after the re-INVITE to T.38 the sender goes on with RTP for 40 s; tshark takes those packets, " +
			"and six before, for T.38. The sequence numbers have no gap", packets: 3848, lost: 0},
}

type tsharkStream struct {
	Src, Dst, SSRC string
	Payload        string
	Packets, Lost  int64
	Stats          []string // min, mean, max delta, min, mean, max jitter (ms); "X" when tshark sees a problem
}

// Packets and loss of every RTP stream that tshark finds in the shared
// captures, with its heuristic on.
func TestAgainstTshark(t *testing.T) {
	root := filepath.Join("..", "..", "..", "shared", "captures")
	truths, _ := filepath.Glob(filepath.Join(root, "truth", "*.json"))
	if len(truths) == 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("the shared captures are not there")
		}
		t.Skip("the shared captures are not there")
	}
	agreed, jitters := 0, 0
	used := make(map[string]bool)
	for _, name := range truths {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var truth struct {
			File    string
			Streams []tsharkStream `json:"rtp_streams_heuristic"`
		}
		if err := json.Unmarshal(b, &truth); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		ours := streamsOf(t, filepath.Join(root, truth.File))
		for _, s := range truth.Streams {
			x := ours[s.Src+" "+s.Dst+" "+s.SSRC]
			delete(ours, s.Src+" "+s.Dst+" "+s.SSRC)
			want := s
			for _, k := range []string{truth.File, truth.File + " " + s.SSRC} {
				if d, ok := differs[k]; ok {
					want.Packets, want.Lost = d.packets, d.lost
					used[k] = true
				}
			}
			if int64(x.Packets) != want.Packets || x.Lost != want.Lost {
				t.Errorf("%s: %+v: %d packets, %d lost, want %d, %d", truth.File, s, x.Packets, x.Lost, want.Packets, want.Lost)
				continue
			}
			agreed++
			// tshark also measures jitter across payload types and within a video frame;
			// where there is neither it is the same.
			if most, err := strconv.ParseFloat(s.Stats[5], 64); err == nil && len(s.Stats) == 6 &&
				x.ClockRate == 8000 && x.PayloadChanges == 0 && x.PayloadType < 96 {
				if got := float64(int64(x.MaxJitter)) / 1e6; math.Abs(got-most) > 0.01 {
					t.Errorf("%s: %s: jitter up to %.3f ms, want %.3f", truth.File, s.SSRC, got, most)
				}
				jitters++
			}
		}
		for k, x := range ours {
			if x.Confirmed {
				t.Errorf("%s: %s is confirmed, and tshark does not know it", truth.File, k)
			}
		}
	}
	if agreed < 40 || jitters < 10 {
		t.Errorf("only %d streams compared, %d with jitter", agreed, jitters)
	}
	for k, d := range differs {
		if !used[k] {
			t.Errorf("%s: %s: is not in the truth", k, d.why)
		}
	}
}

// streamsOf returns the streams of a file as they end. Candidates are kept
// for a minute, because several files hold a few packets seconds apart.
func streamsOf(t *testing.T, name string) map[string]media.Snapshot {
	t.Helper()
	out := make(map[string]media.Snapshot)
	take := func(x *media.Snapshot) {
		if x.Ended {
			out[fmt.Sprintf("%s %s 0x%08x", x.Flow.Src, x.Flow.Dst, x.SSRC)] = *x
		}
	}
	tab := media.New(media.Config{Candidate: time.Minute})
	eachUDP(t, name, func(p *capture.Packet) {
		tab.Add(p)
		tab.Snapshot(p.Mono, take)
	})
	tab.Flush(take)
	return out
}
