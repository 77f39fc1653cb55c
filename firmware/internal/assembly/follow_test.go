package assembly_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"heptap/capture"
	"heptap/capture/capturetest"
	"heptap/capture/dissect"
	"heptap/firmware/internal/assembly"
)

// reader follows every connection of HTTP and writes down how it ended, with the
// times in milliseconds after the request.
type reader struct {
	r    *rig
	at   int64
	tell func() uint64 // the connection's, if it is to be told of with its first octets
	want bool
	ids  []uint64
	log  []string
}

func (x *reader) note(format string, args ...any) {
	x.log = append(x.log, fmt.Sprintf(format, args...))
}

func (x *reader) ms(at *dissect.At) string {
	if *at != (dissect.At{}) && at.Wall-at.Mono != wall0 {
		x.r.t.Errorf("wall time %d at %d", at.Wall, at.Mono)
	}
	return time.Duration(at.Mono - x.at).String()
}

func (x *reader) Follow(_ capture.FiveTuple, tell func() uint64, _ capture.Protocol, _ []byte) dissect.Follower {
	x.tell = tell
	return x
}

func (x *reader) Advance(int64) {}

func (x *reader) Write(dir int, at *dissect.At, _ dissect.Numbers, _ []byte) {
	if dir == 0 {
		x.at = at.Mono
	}
	if x.want {
		x.ids = append(x.ids, x.tell())
	}
}
func (x *reader) Gap(int, int64)              {}
func (x *reader) Cut(dir int, at *dissect.At) { x.note("fin %d after %s", dir, x.ms(at)) }
func (x *reader) End(e dissect.Ending)        { x.note("end %d by %d after %s", e.Why, e.By, x.ms(&e.At)) }

// Who follows a connection is told of FINs and of its end with the frames that they
// came in, whatever is left of a message, and when nothing came with the time.
func TestFollowersEnd(t *testing.T) {
	const ask = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
	const front = "HTTP/1.1 200 OK\r\nContent-" // a head that ends nowhere
	a, b := uint32(1+len(ask)), uint32(1)
	tcp := func(dir int, seq uint32, flags uint8) []byte {
		src, dst := alice, bob
		if dir == 1 {
			src, dst = bob, alice
		}
		return capturetest.TCP(src, dst, capture.TCP{Seq: seq, Ack: 1, Flags: flags}, nil, capturetest.IPID(uint16(90+10*dir)+uint16(flags)))
	}
	for _, tt := range []struct {
		name string
		end  func(r *rig)
		want []string
	}{
		{"reset", func(r *rig) { r.pass(2 * time.Second); r.add(tcp(1, b, rst|ack)) }, []string{"end 2 by 1 after 2.001s"}},
		{"closed by the server", func(r *rig) {
			r.pass(2 * time.Second)
			r.add(tcp(1, b, fin|ack))
			r.pass(time.Second)
			r.add(tcp(0, a, fin|ack))
		}, []string{"fin 1 after 2.001s", "fin 0 after 3.002s", "end 1 by 1 after 3.002s"}},
		{"closed inside a head", func(r *rig) {
			r.add(segments(bob, alice, b, front, 4000)...)
			r.pass(2 * time.Second)
			r.add(tcp(1, b+uint32(len(front)), fin|ack), tcp(0, a, fin|ack))
		}, []string{"fin 1 after 2.002s", "fin 0 after 2.003s", "end 1 by 1 after 2.003s"}},
		{"reset inside a head", func(r *rig) {
			r.add(segments(bob, alice, b, front, 4000)...)
			r.pass(2 * time.Second)
			r.add(tcp(0, a, rst))
		}, []string{"end 2 by 0 after 2.002s"}},
		{"silence", func(r *rig) { r.pass(5 * time.Second); r.Flush() }, []string{"end 0 by -1 after 5s"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			x := &reader{}
			x.r = newRig(t, func(c *assembly.Config) { c.Followers = x })
			x.r.shake()
			x.r.add(segments(alice, bob, 1, ask, 4000)...)
			tt.end(x.r)
			if !slices.Equal(x.log, tt.want) {
				t.Errorf("got  %q\nwant %q", x.log, tt.want)
			}
		})
	}
}

// A connection is told of when who follows it wants that, once, and then of its end
// as well; as a WebSocket again when it becomes one.
func TestFollowersTell(t *testing.T) {
	const ask = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
	const upgrade = "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: sip\r\n\r\n"
	const agree = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: sip\r\n\r\n"
	const refuse = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"
	const opened, again = "0 opened TCP 192.0.2.1:5060 mid-stream false status 0, 0 messages so far", "0 opened WS 192.0.2.1:5060 mid-stream false status "
	for _, tt := range []struct {
		name       string
		ask, reply string
		want       bool
		log        []string
	}{
		{"not wanted", ask, refuse, false, nil},
		{"wanted", ask, refuse, true, []string{opened + " http", "0 closed rst by -1 reset 1 sent 27 code 0, 0 messages so far"}},
		{"upgraded", upgrade, agree, true, []string{opened + " http", again + "101 sip again, 0 messages so far", "0 closed rst by -1 reset 1 sent 169 code 0, 0 messages so far"}},
		{"something else", "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: y\r\nConnection: Upgrade\r\n\r\n", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: y\r\nConnection: Upgrade\r\n\r\nanything",
			true, []string{opened + " http", "0 closed rst by -1 reset 1 sent 60 code 0, 0 messages so far"}},
		{"refused", upgrade, refuse, true, []string{opened + " http", again + "403 again, 0 messages so far", "0 closed rst by -1 reset 1 sent 169 code 0, 0 messages so far"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			x, w := &reader{want: tt.want}, &witness{}
			x.r = newRig(t, func(c *assembly.Config) { c.Followers, c.Net = x, w })
			w.r = x.r
			x.r.shake()
			x.r.add(segments(alice, bob, 1, tt.ask, 4000)...)
			x.r.add(segments(bob, alice, 1, tt.reply, 4000)...)
			x.r.add(capturetest.TCP(bob, alice, capture.TCP{Seq: 1 + uint32(len(tt.reply)), Flags: rst}, nil))
			w.want(t, tt.log...)
			for _, id := range x.ids {
				if id != w.ids[0] || id == 0 {
					t.Errorf("told of %d as %d", w.ids[0], id)
				}
			}
		})
	}
}
