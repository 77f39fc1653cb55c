package ring

import (
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// OpenShort opens a ring on a machine that grants no block larger than
// maxBlock and no ring larger than maxRing.
func OpenShort(cfg Config, maxBlock, maxRing uint32) (*Ring, error) {
	sys := realKernel()
	real := sys.setRing
	sys.setRing = func(fd int, req *unix.TpacketReq3) error {
		if req.Block_size > maxBlock || req.Block_size*req.Block_nr > maxRing {
			return unix.ENOMEM
		}
		return real(fd, req)
	}
	return open(cfg, sys)
}

// SpreadFrames is the program of Fanout.Inner for whole Ethernet frames, which
// needs no kernel to run, and how long the one for the kernel is.
func SpreadFrames() ([]bpf.Instruction, int, error) {
	prog, err := spreadProgram(ethHeader)
	g := newSpreader()
	g.emit(bpf.LoadConstant{Dst: bpf.RegX, Val: 0})
	g.jump(g.levels[0].ether)
	return g.rest(), len(prog), err
}
