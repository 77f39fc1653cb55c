package hep_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"testing"
	"testing/iotest"

	"heptap/hep"
)

// frames reads r to its end.
func frames(r *hep.Reader) (out [][]byte, err error) {
	for {
		f, err := r.Next()
		if err != nil {
			return out, err
		}
		out = append(out, bytes.Clone(f))
	}
}

func manyFrames(tb testing.TB) (stream []byte, list [][]byte) {
	tb.Helper()
	p := fullPacket()
	for _, size := range []int{0, 1, 700, 20000, 3, 65000, 40000, 1} {
		p.Payload = bytes.Repeat([]byte{'x'}, size)
		b := mustAppend(tb, p)
		list = append(list, b)
		stream = append(stream, b...)
	}
	return stream, list
}

func TestReader(t *testing.T) {
	stream, want := manyFrames(t)
	for name, r := range map[string]io.Reader{
		"whole":     bytes.NewReader(stream),
		"octets":    iotest.OneByteReader(bytes.NewReader(stream)),
		"halves":    iotest.HalfReader(bytes.NewReader(stream)),
		"data+EOF":  iotest.DataErrReader(bytes.NewReader(stream)),
		"data+EOF1": iotest.DataErrReader(iotest.OneByteReader(bytes.NewReader(stream))),
	} {
		t.Run(name, func(t *testing.T) {
			rd := hep.NewReader(r)
			var offset int64
			for i, w := range want {
				got, err := rd.Next()
				if err != nil || !bytes.Equal(got, w) {
					t.Fatalf("frame %d: %d octets, %v", i, len(got), err)
				}
				if rd.Offset() != offset {
					t.Fatalf("frame %d: offset %d, want %d", i, rd.Offset(), offset)
				}
				offset += int64(len(w))
			}
			if _, err := rd.Next(); err != io.EOF || rd.Buffered() != 0 {
				t.Errorf("end: %v, %d octets left", err, rd.Buffered())
			}
		})
	}
}

func TestReaderFaults(t *testing.T) {
	stream, list := manyFrames(t)
	tests := []struct {
		name   string
		in     []byte
		frames int
		fault  hep.Fault
		offset int
	}{
		{"cut in the last", stream[:len(stream)-1], len(list) - 1, hep.FaultTruncated, len(stream) - len(list[len(list)-1])},
		{"cut in a header", append(bytes.Clone(list[0]), "HE"...), 1, hep.FaultTruncated, len(list[0])},
		{"garbage after one", append(bytes.Clone(list[0]), "GET / HTTP/1.1"...), 1, hep.FaultMagic, len(list[0])},
		{"too short to be a header, and none", append(bytes.Clone(list[0]), "HEX"...), 1, hep.FaultMagic, len(list[0])},
		{"bad length", append(bytes.Clone(list[0]), "HEP3\x00\x05abc"...), 1, hep.FaultLength, len(list[0])},
		{"over MaxFrame", append(bytes.Clone(list[0]), "HEP3\xff\xff"...), 1, hep.FaultTooLarge, len(list[0])},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rd := hep.NewReader(bytes.NewReader(tt.in))
			got, err := frames(rd)
			var pe *hep.ParseError
			if !errors.As(err, &pe) || !errors.Is(err, tt.fault) || pe.Offset != int64(tt.offset) || len(got) != tt.frames {
				t.Errorf("%d frames, %v; want %d, %v at %d", len(got), err, tt.frames, tt.fault, tt.offset)
			}
			if _, again := rd.Next(); again != err {
				t.Errorf("again: %v", again)
			}
		})
	}
}

func TestReaderGoesOnAfterError(t *testing.T) {
	a, b := mustAppend(t, goldenPacket()), mustAppend(t, fullPacket())
	rd := hep.NewReader(io.MultiReader(bytes.NewReader(a), bytes.NewReader(b[:9]),
		&failOnce{err: os.ErrDeadlineExceeded}, bytes.NewReader(b[9:])))
	if got, err := rd.Next(); err != nil || !bytes.Equal(got, a) {
		t.Fatal(err)
	}
	if _, err := rd.Next(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("got %v", err)
	}
	if got, err := rd.Next(); err != nil || !bytes.Equal(got, b) {
		t.Fatalf("%x, %v", got, err)
	}
	if _, err := hep.NewReader(nothing{}).Next(); err != io.ErrNoProgress {
		t.Errorf("empty reads: %v", err)
	}
}

type failOnce struct{ err error }

func (f *failOnce) Read([]byte) (int, error) {
	err := f.err
	f.err = io.EOF
	return 0, err
}

type nothing struct{}

func (nothing) Read([]byte) (int, error) { return 0, nil }

// FuzzReader: however a stream is cut into reads, the frames are the same, lie
// back to back from its start, and an error names where they end.
func FuzzReader(f *testing.F) {
	stream, _ := manyFrames(f)
	f.Add(stream[:2000])
	f.Add(append(mustAppend(f, goldenPacket()), "HEP3\x00\x06HEP3\x00\x05"...))
	f.Add([]byte("HEP3\x00\x06HEP3\x00\x06"))
	f.Fuzz(func(t *testing.T, in []byte) {
		whole, err := frames(hep.NewReader(bytes.NewReader(in)))
		pieces, err1 := frames(hep.NewReader(iotest.OneByteReader(bytes.NewReader(in))))
		joined := bytes.Join(whole, nil)
		if !bytes.HasPrefix(in, joined) || len(whole) != len(pieces) || !bytes.Equal(joined, bytes.Join(pieces, nil)) {
			t.Fatalf("%d frames, %d frames", len(whole), len(pieces))
		}
		if hep.FaultOf(err) != hep.FaultOf(err1) {
			t.Fatalf("%v, %v", err, err1)
		}
		if err == io.EOF {
			if len(joined) != len(in) {
				t.Fatalf("%d octets of %d", len(joined), len(in))
			}
			return
		}
		var pe *hep.ParseError
		if !errors.As(err, &pe) || pe.Offset != int64(len(joined)) {
			t.Fatalf("%v after %d octets", err, len(joined))
		}
	})
}
