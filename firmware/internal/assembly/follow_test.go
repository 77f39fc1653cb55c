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
	r   *rig
	at  int64
	log []string
}

func (x *reader) note(format string, args ...any) {
	x.log = append(x.log, fmt.Sprintf(format, args...))
}

func (x *reader) ms(at *dissect.At) string {
	if at.Wall-at.Mono != wall0 {
		x.r.t.Errorf("wall time %d at %d", at.Wall, at.Mono)
	}
	return time.Duration(at.Mono - x.at).String()
}

func (x *reader) Follow(capture.FiveTuple, uint64, capture.Protocol, []byte) dissect.Follower {
	return x
}

func (x *reader) Advance(int64) {}

func (x *reader) Write(dir int, at *dissect.At, _ []byte) {
	if dir == 0 {
		x.at = at.Mono
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
