package ring_test

import (
	"runtime"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"heptap/capture"
	"heptap/capture/ring"
)

// sendBatch is how many frames one sendmmsg sends.
const sendBatch = 64

// flood sends frame on fd as fast as it can until stop is set, and counts.
func flood(fd int, frame []byte, stop *atomic.Bool, sent *atomic.Uint64) error {
	var (
		iov  = unix.Iovec{Base: &frame[0]}
		msgs [sendBatch]unix.Mmsghdr
	)
	iov.SetLen(len(frame))
	for i := range msgs {
		msgs[i].Hdr.Iov = &iov
		msgs[i].Hdr.SetIovlen(1)
	}
	for !stop.Load() {
		n, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(&msgs[0])), sendBatch, 0, 0, 0)
		switch errno {
		case 0:
			sent.Add(uint64(n))
		case unix.ENOBUFS, unix.EINTR, unix.EAGAIN:
		default:
			return errno
		}
	}
	return nil
}

// threadCPU is the CPU time the calling thread has used.
func threadCPU(b *testing.B) time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts); err != nil {
		b.Fatal(err)
	}
	return time.Duration(ts.Nano())
}

// BenchmarkRead floods a veth and reads it with Read. cpu-ns/frame is what
// the reader costs, waiting included; the time of one operation (one frame)
// is that of the sender, who is the slower of the two. drops is the part of
// the frames that did not find room.
func BenchmarkRead(b *testing.B) {
	for _, c := range []struct {
		name string
		size int
		cfg  ring.Config
	}{
		{"rtp 214", 214, ring.Config{}},
		{"rtp 214, own flows excluded", 214, ring.Config{Filter: compile(b, "", ring.Endpoint{Addr: addr("198.51.100.7"), Port: 9060, Proto: capture.ProtoTCP})}},
		{"rtp 214, fanout", 214, ring.Config{Fanout: &ring.Fanout{Group: 21}}},
		{"rtp 214, fanout by inner flow", 214, ring.Config{Fanout: &ring.Fanout{Group: 22, Inner: true}}},
		{"sip 900", 900, ring.Config{}},
	} {
		b.Run(c.name, func(b *testing.B) { benchmarkRead(b, c.size, c.cfg) })
	}
}

func benchmarkRead(b *testing.B, size int, cfg ring.Config) {
	l := newLab(b)
	cfg.RingBytes, cfg.BlockBytes, cfg.Retire = ring.DefaultRingBytes, ring.DefaultBlockBytes, 20*time.Millisecond
	r := l.open(cfg)
	if err := unix.SetsockoptInt(l.tx, unix.SOL_PACKET, unix.PACKET_QDISC_BYPASS, 1); err != nil {
		b.Fatal(err)
	}
	frame := packet{src: "192.0.2.1", dst: "192.0.2.2", proto: capture.ProtoUDP, sport: 10000, dport: 20000, payload: make([]byte, size-42)}.frame()
	var stop atomic.Bool
	var sent atomic.Uint64
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		done <- flood(l.tx, frame, &stop, &sent)
	}()
	frames := make([]capture.Frame, 256)
	var octets, seen int
	b.ReportAllocs()
	b.ResetTimer()
	before := threadCPU(b)
	for seen < b.N {
		n, err := r.Read(frames)
		if err != nil {
			b.Fatal(err)
		}
		for i := range frames[:n] { // touch each frame, as a decoder would
			octets += int(frames[i].Data[23])
		}
		seen += n
	}
	cpu := threadCPU(b) - before
	b.StopTimer()
	stop.Store(true)
	if err := <-done; err != nil {
		b.Fatal(err)
	}
	if octets != seen*capture.ProtoUDP {
		b.Fatal("a frame was not UDP")
	}
	for { // account for what is left in the ring
		n, err := r.Read(frames)
		if err != nil {
			b.Fatal(err)
		}
		if n == 0 {
			break
		}
	}
	st := r.Stats()
	if st.Received != sent.Load() {
		b.Fatalf("sent %d, received %d", sent.Load(), st.Received)
	}
	b.ReportMetric(float64(cpu.Nanoseconds())/float64(seen), "cpu-ns/frame")
	b.ReportMetric(float64(st.KernelDrops)/float64(st.Received), "drops")
}

func TestReadAllocates(t *testing.T) {
	l := newLab(t)
	r := l.open(ring.Config{Poll: 5 * time.Second, RingBytes: 8 << 20, BlockBytes: 64 << 10})
	for i := range 4000 {
		l.send(numbered(uint32(i), 200))
	}
	frames := make([]capture.Frame, 64)
	seen := 0
	allocs := testing.AllocsPerRun(40, func() {
		n, err := r.Read(frames)
		if n == 0 || err != nil {
			t.Fatalf("Read = %d, %v", n, err)
		}
		seen += n
	})
	if allocs != 0 {
		t.Errorf("%v allocations per Read over %d frames", allocs, seen)
	}
}
