package assembly_test

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"
	"time"

	"heptap/capture"
	"heptap/capture/capturetest"
)

// chunk builds a chunk of SCTP (RFC 9260 3.2).
func chunk(typ, flags byte, body ...byte) []byte {
	b := binary.BigEndian.AppendUint16([]byte{typ, flags}, uint16(4+len(body)))
	b = append(b, body...)
	return append(b, make([]byte, -len(b)&3)...)
}

// initiate builds an INIT (1) or INIT ACK (2) of 5 streams each way.
func initiate(typ byte, tag, tsn uint32) []byte {
	b := binary.BigEndian.AppendUint32(nil, tag)
	b = append(b, 0, 1, 0, 0, 0, 5, 0, 5)
	return chunk(typ, 0, binary.BigEndian.AppendUint32(b, tsn)...)
}

const aliceTag, bobTag = 0xa11ce, 0xb0b // of what each sends

// associate opens an association from alice to bob.
func (r *rig) associate() {
	r.add(capturetest.SCTP(alice, bob, 0, initiate(1, bobTag, 100)), capturetest.SCTP(bob, alice, bobTag, initiate(2, aliceTag, 900)),
		capturetest.SCTP(alice, bob, aliceTag, chunk(10, 0, 1, 2, 3, 4)), capturetest.SCTP(bob, alice, bobTag, chunk(11, 0)))
}

func (r *rig) fromAlice(tsn uint32, text string) {
	r.add(capturetest.SCTP(alice, bob, aliceTag, capturetest.SCTPData(3, tsn, 0, 0, 0, []byte(text))))
}

// An association is told of before its first message, and its end after the last.
func TestAssociations(t *testing.T) {
	abort := func(from, to byte) []byte {
		src, dst, tag := alice, bob, uint32(aliceTag)
		if from == 1 {
			src, dst, tag = dst, src, bobTag
		}
		return capturetest.SCTP(src, dst, tag, chunk(6, 0, 0, to, 0, 4))
	}
	const aspup = "\x01\x00\x03\x01\x00\x00\x00\x08"
	for _, c := range []struct {
		name string
		play func(r *rig)
		want []string
	}{
		{"shut down", func(r *rig) {
			r.associate()
			r.fromAlice(100, request(1, 0))
			r.add(capturetest.SCTP(bob, alice, bobTag, capturetest.SCTPData(3, 900, 0, 0, 0, []byte(request(2, 0)))))
			r.add(capturetest.SCTP(alice, bob, aliceTag, chunk(7, 0, 0, 0, 3, 0x84)), capturetest.SCTP(bob, alice, bobTag, chunk(8, 0)), capturetest.SCTP(alice, bob, aliceTag, chunk(14, 0)))
		}, []string{"0 opened SCTP 192.0.2.1:5060 mid-stream false status 0, 0 messages so far", "0 closed fin by 0 reset -1 sent 105 code 0, 2 messages so far"}},
		{"aborted", func(r *rig) {
			r.associate()
			r.fromAlice(100, request(1, 0))
			r.add(abort(1, 12))
			r.fromAlice(101, request(2, 0)) // late
		}, []string{"0 opened SCTP 192.0.2.1:5060 mid-stream false status 0, 0 messages so far", "0 closed rst by -1 reset 1 sent 105 code 0, 1 messages so far"}},
		{"picked up, idle", func(r *rig) {
			r.fromAlice(100, request(1, 0))
			r.pass(50 * time.Minute)
			r.fromAlice(101, request(2, 0))
			r.pass(61 * time.Minute)
		}, []string{"0 opened SCTP 192.0.2.1:5060 mid-stream true status 0, 0 messages so far", "0 closed idle by -1 reset -1 sent 210 code 0, 2 messages so far"}},
		{"begun anew", func(r *rig) {
			r.associate()
			r.fromAlice(100, request(1, 0))
			r.add(capturetest.SCTP(alice, bob, 0, initiate(1, 7, 5000)), capturetest.SCTP(bob, alice, 7, initiate(2, 8, 6000)),
				capturetest.SCTP(alice, bob, 8, chunk(10, 0, 1, 2, 3, 4)), capturetest.SCTP(bob, alice, 7, chunk(11, 0)),
				capturetest.SCTP(alice, bob, 8, capturetest.SCTPData(3, 5000, 0, 0, 0, []byte(request(2, 0)))))
			r.Flush()
		}, []string{"0 opened SCTP 192.0.2.1:5060 mid-stream false status 0, 0 messages so far", "0 closed reused by -1 reset -1 sent 105 code 0, 1 messages so far",
			"1 opened SCTP 192.0.2.1:5060 mid-stream false status 0, 1 messages so far", "1 closed end by -1 reset -1 sent 105 code 0, 2 messages so far"}},
		{"SIGTRAN", func(r *rig) {
			r.add(capturetest.SCTP(alice, bob, aliceTag, capturetest.SCTPData(3, 100, 0, 0, 3, []byte(aspup))))
			r.Flush()
		}, []string{"0 opened SCTP 192.0.2.1:5060 mid-stream true status 0, 0 messages so far", "0 closed end by -1 reset -1 sent 8 code 0, 1 messages so far"}},
		{"neither", func(r *rig) {
			r.associate()
			r.fromAlice(100, "no SIP")
			r.add(abort(1, 12))
		}, nil},
		{"refused", func(r *rig) {
			r.add(capturetest.SCTP(alice, bob, 0, initiate(1, bobTag, 100)), abort(1, 4))
			r.add(capturetest.SCTP(alice, other, 0, initiate(1, bobTag, 100)), capturetest.SCTP(other, alice, bobTag, chunk(6, 0))) // not for signalling
		}, []string{"0 unassociated refused 192.0.2.1:5060 by -1 1, 0 messages so far"}},
		{"unanswered", func(r *rig) {
			r.add(capturetest.SCTP(alice, bob, 0, initiate(1, bobTag, 100)))
			r.pass(40 * time.Second)
		}, []string{"0 unassociated unanswered 192.0.2.1:5060 by -1 -1, 0 messages so far"}},
		{"empty", func(r *rig) {
			r.associate()
			r.add(abort(0, 12))
		}, []string{"0 unassociated empty 192.0.2.1:5060 by -1 0, 0 messages so far"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, w := netRig(t)
			c.play(r)
			w.want(t, c.want...)
			for i, m := range r.out {
				if !slices.Contains(w.ids, m.Conn) || m.Flow.Proto != capture.ProtoSCTP {
					t.Errorf("message %d is of connection %d", i, m.Conn)
				}
			}
		})
	}
}

// Ports registered for SIGTRAN are meant for signalling, though no SIP goes there.
func TestRefusedSIGTRAN(t *testing.T) {
	r, w := netRig(t)
	gateway := netip.MustParseAddrPort("192.0.2.9:2905")
	r.add(capturetest.SCTP(alice, gateway, 0, initiate(1, bobTag, 100)), capturetest.SCTP(gateway, alice, bobTag, chunk(6, 0)))
	w.want(t, "0 unassociated refused 192.0.2.1:5060 by -1 1, 0 messages so far")
}

// A user message of SIGTRAN comes out with the identifier to read it with.
func TestSIGTRAN(t *testing.T) {
	r := newRig(t)
	const data = "\x01\x00\x01\x01\x00\x00\x00\x10\x02\x10\x00\x08\x00\x00\x00\x00"
	for i, ppid := range []uint32{3, 0, 46} {
		r.add(capturetest.SCTP(alice, bob, aliceTag, capturetest.SCTPData(3, 100+uint32(i), 0, 0, ppid, []byte(data))))
	}
	if len(r.out) != 2 || r.out[0].PPID != 3 || r.out[1].PPID != 3 || r.out[1].Protocol != capture.SIGTRAN || string(r.out[1].Payload) != data || r.out[0].Conn == 0 || r.out[0].Conn != r.out[1].Conn {
		t.Errorf("%+v", r.out)
	}
	if s := r.Stats(1); s.UserMessages[capture.SIGTRAN] != 2 || s.UserMessages[capture.Unknown] != 1 {
		t.Errorf("%v", s.UserMessages)
	}
}
