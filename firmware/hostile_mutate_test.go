package main

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"slices"
	"time"

	"heptap/capture"
)

// packFrames writes frames for a fuzzing engine: the octets before each are its
// length and the time since the frame before in microseconds.
func packFrames(frames []capture.Frame) (b []byte) {
	last := start.UnixNano()
	for _, f := range frames {
		b = binary.BigEndian.AppendUint16(b, uint16(len(f.Data)))
		b = binary.BigEndian.AppendUint32(b, uint32(int32((f.Wall-last)/1e3)))
		b = append(b, f.Data...)
		last = f.Wall
	}
	return b
}

// unpackFrames reads at most 400 of them.
func unpackFrames(b []byte) (frames []capture.Frame) {
	now := start.UnixNano()
	for len(b) >= 6 && len(frames) < 400 {
		n := int(binary.BigEndian.Uint16(b))
		now += int64(int32(binary.BigEndian.Uint32(b[2:]))) * 1e3
		b = b[6:]
		n = min(n, len(b))
		frames = append(frames, capture.Frame{Data: bytes.Clone(b[:n]), Length: n, Wall: now, Mono: now, Link: capture.LinkEthernet})
		b = b[n:]
	}
	return frames
}

// mutator changes frames as a program says, which is a list of steps of four
// octets: what to do, to which frame, and with what.
type mutator struct {
	frames []capture.Frame
	// spoilt says that octets were changed: a secret may have lost its name.
	spoilt bool
}

// shifts are by how much the time jumps.
var shifts = [...]time.Duration{time.Microsecond, -time.Microsecond, 40 * time.Millisecond, -40 * time.Millisecond, time.Second, -time.Second, 4 * time.Second, -4 * time.Second,
	7 * time.Second, -7 * time.Second, 33 * time.Second, -33 * time.Second, 10 * time.Minute, -10 * time.Minute, 25 * time.Hour, -25 * time.Hour}

func (m *mutator) run(program []byte) {
	for steps := 0; len(program) >= 4 && len(m.frames) > 0 && steps < 64; steps++ {
		m.step(program[0], int(program[1]), int(program[2]), int(program[3]))
		program = program[4:]
	}
}

// step does one thing to frame i; a and b say how.
func (m *mutator) step(what byte, i, a, b int) {
	i = (i<<1 | a&1) % len(m.frames)
	j := (a<<8 | b) % len(m.frames)
	f := &m.frames[i]
	switch what % 12 {
	case 0: // it was not seen
		m.frames = slices.Delete(m.frames, i, i+1)
	case 1: // it was seen once more, later
		g := *f
		g.Wall, g.Mono = m.frames[j].Wall, m.frames[j].Mono
		m.frames = slices.Insert(m.frames, j, g)
	case 2: // two change places, but not their times
		g := &m.frames[j]
		f.Data, g.Data, f.Length, g.Length = g.Data, f.Data, g.Length, f.Length
	case 3: // two change places with their times
		m.frames[i], m.frames[j] = m.frames[j], m.frames[i]
	case 4: // the capture cut it short
		f.Data = f.Data[:min(len(f.Data), (a<<8|b)%1600)]
	case 5: // the clock is set
		for k := i; k < len(m.frames); k++ {
			m.frames[k].Wall += int64(shifts[b%len(shifts)])
			m.frames[k].Mono += int64(shifts[b%len(shifts)])
		}
	case 6: // two segments instead of one
		if g, ok := split(f, a<<8|b); ok {
			m.frames = slices.Insert(m.frames, i+1, g)
		}
	case 7: // a tag
		if len(f.Data) > 14 {
			f.Data = slices.Concat(f.Data[:12], []byte{0x81, 0, byte(a), byte(b)}, f.Data[12:])
			f.Length += 4
		}
	case 8: // the capture began later, or ended sooner
		if a%2 == 0 {
			m.frames = m.frames[i:]
		} else {
			m.frames = m.frames[:i+1]
		}
	case 9: // an octet
		m.set(f, a, byte(b))
	case 10: // a length
		m.set(f, a, byte(b))
		m.set(f, a+1, byte(b>>4))
	case 11: // a bit far in
		if len(f.Data) > 0 {
			at := (a<<8 | b) % len(f.Data)
			m.set(f, at, f.Data[at]^1<<(b%8))
		}
	}
}

func (m *mutator) set(f *capture.Frame, at int, v byte) {
	if at < len(f.Data) {
		f.Data = bytes.Clone(f.Data)
		f.Data[at] = v
		m.spoilt = true
	}
}

// split cuts the payload of a TCP segment in two, f keeps the front of it.
func split(f *capture.Frame, at int) (g capture.Frame, ok bool) {
	const ip, tcp = 14, 34 // an IPv4 header without options
	b := f.Data
	if len(b) < tcp+20 || b[12] != 8 || b[13] != 0 || b[ip] != 0x45 || b[ip+9] != capture.ProtoTCP || len(b) != f.Length {
		return g, false
	}
	payload := tcp + int(b[tcp+12]>>4)*4
	if payload < tcp+20 || len(b) < payload+2 {
		return g, false
	}
	at = payload + 1 + at%(len(b)-payload-1)
	g = *f
	g.Data = slices.Concat(b[:payload], b[at:])
	binary.BigEndian.PutUint32(g.Data[tcp+4:], binary.BigEndian.Uint32(b[tcp+4:])+uint32(at-payload))
	f.Data = bytes.Clone(b[:at])
	for _, h := range []*capture.Frame{f, &g} {
		h.Length = len(h.Data)
		binary.BigEndian.PutUint16(h.Data[ip+2:], uint16(len(h.Data)-ip))
	}
	return g, true
}

var known = maphash.MakeSeed()

// sums are what frames hold, to tell whether one was changed.
func sums(frames []capture.Frame) map[uint64]bool {
	all := map[uint64]bool{}
	for _, f := range frames {
		all[maphash.Bytes(known, f.Data)] = true
	}
	return all
}
