package rest_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"heptap/capture"
	"heptap/capture/capturetest"
	"heptap/capture/decode"
	"heptap/capture/pcapfile"
	"heptap/capture/rest"
	"heptap/capture/stream"
)

// follower feeds one connection to a rest.Conn as dissect would.
type follower struct {
	c   *rest.Conn
	sum *tally
}

type tally struct {
	methods, status map[string]int
	failed          map[string]int
	replies         int
}

func (f *follower) Data(dir int, pending []byte, fresh int, gap int64, at *stream.At) int {
	if gap != 0 {
		f.c.Gap(dir, gap)
	}
	n := f.c.Write(dir, at.Wall, rest.Numbers{End: at.End, Ack: at.Ack, Known: at.Numbered}, pending)
	if f.c.Mode() != rest.Following {
		return len(pending)
	}
	return n
}

func (f *follower) Cut(dir int, pending []byte, why stream.Reason, at *stream.Meta) {
	switch why {
	case stream.Budget:
		f.c.Gap(dir, -1)
	case stream.FIN:
		f.c.Cut(dir)
	}
}

func (f *follower) Closed(why stream.Reason) {
	switch why {
	case stream.RST:
		f.c.End(rest.Reset)
	case stream.FIN:
		f.c.End(rest.Closed)
	default:
		f.c.End(rest.NoReply)
	}
}

func (f *follower) Head(dir int, head []byte) {
	if text := string(head); strings.HasPrefix(text, "HTTP/") {
		f.sum.status[text[9:12]]++
	}
}

func (f *follower) Request(x *rest.Exchange) { f.sum.methods[string(x.Method)]++ }

func (f *follower) Reply(x *rest.Exchange) {
	f.sum.replies++
	if x.Latency() < -int64(rest.Skew) && !x.Request.Incomplete {
		f.sum.failed["a reply before its request"]++
	}
}

func (f *follower) Failed(x *rest.Exchange, why rest.Reason) { f.sum.failed[why.String()]++ }

// TestCaptures holds methods and status codes of the captures of HTTP against
// tshark.
func TestCaptures(t *testing.T) {
	dir := capturetest.Captures(t)
	for _, c := range []struct {
		name, failed string
		replies      int
	}{
		{"made-here/http-rest-jsonrpc.pcap", "", 13},
		{"ntop+nDPI/jsonrpc.pcap", "", 1},
		{"zeek+zeek/post.pcap", "", 1},
		{"zeek+zeek/pipelined-requests.pcap", "", 5},
		{"zeek+zeek/docker-http-upgrade.pcap", "", 6},
		{"deepflowio+deepflow/sw8.pcap", "", 3},
		{"zeek+zeek/get-gzip.pcap", "", 1},
		{"zeek+zeek/1000-requests-one-dropped-response.pcap.gz", "gap 1", 999},
		{"zeek+zeek/get_nosyn.pcap", "", 1},
		{"zeek+zeek/multipart.pcap", "", 1},
		{"seladb+PcapPlusPlus/one_tcp_stream.pcap", "", 2},
		{"OISF+suricata-verify/pppoe-session-http.pcap", "", 1},
		{"OISF+suricata-verify/basic_websockets.pcap", "", 1},
		{"zeek+zeek/fragmented-http-reply.pcap", "", 1},
		{"arkime+arkime/websocket.pcap", "", 1},
		{"made-here/sip-ws.pcap", "", 1},
	} {
		sum, stats := follow(t, filepath.Join(dir, c.name))
		var truth struct {
			Fields map[string]map[string]int `json:"fields"`
		}
		text, err := os.ReadFile(filepath.Join(dir, "truth", strings.ReplaceAll(c.name, "/", "__")+".json"))
		if err == nil {
			err = json.Unmarshal(text, &truth)
		}
		if err != nil {
			t.Fatal(err)
		}
		failed := ""
		for why, n := range sum.failed {
			failed += fmt.Sprintf("%s %d", why, n)
		}
		if fmt.Sprint(sum.methods) != fmt.Sprint(truth.Fields["http.request.method"]) || fmt.Sprint(sum.status) != fmt.Sprint(truth.Fields["http.response.code"]) ||
			sum.replies != c.replies || failed != c.failed {
			t.Errorf("%s:\nmethods %v, status %v, %d replies, failed %q; %+v\nwant %v, %v, %d, %q", c.name, sum.methods, sum.status, sum.replies, failed, stats,
				truth.Fields["http.request.method"], truth.Fields["http.response.code"], c.replies, c.failed)
		}
	}
}

// follow reads a capture file.
func follow(t *testing.T, path string) (*tally, rest.Stats) {
	t.Helper()
	r, err := pcapfile.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	sum := &tally{map[string]int{}, map[string]int{}, map[string]int{}, 0}
	p := rest.NewParser(rest.Config{})
	a := stream.New(stream.Config{GapTimeout: time.Millisecond, Reorder: time.Millisecond, New: func(*stream.Conn) stream.Handler {
		f := &follower{sum: sum}
		f.c = p.NewConn(f)
		return f
	}})
	frames := make([]capture.Frame, 64)
	var packet capture.Packet
	for n := 0; err == nil; n, err = r.Read(frames) {
		for i := range frames[:n] {
			if decode.Decode(&frames[i], &packet) == capture.DropNone && packet.Protocol == capture.ProtoTCP && !packet.Fragment.Valid {
				a.Advance(packet.Mono)
				a.Segment(&packet)
			}
		}
	}
	a.Flush()
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	return sum, p.Stats()
}
