package ring

import "golang.org/x/sys/unix"

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
