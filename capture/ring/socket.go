package ring

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"heptap/capture"
)

// kernel is what tests replace to provoke what a healthy machine does not do.
type kernel struct {
	setRing func(fd int, req *unix.TpacketReq3) error
	clocks  func() (wall, mono int64)

	openCard func(fd int, iface string) (cardClock, error)
	stampBy  func(fd int, hardware bool) error
}

func realKernel() kernel {
	return kernel{
		setRing: func(fd int, req *unix.TpacketReq3) error {
			return unix.SetsockoptTpacketReq3(fd, unix.SOL_PACKET, unix.PACKET_RX_RING, req)
		},
		clocks:   newClocks(),
		openCard: openCard,
		stampBy:  stampBy,
	}
}

// socket is one AF_PACKET socket with its ring mapped.
type socket struct {
	fd     int
	mem    []byte
	geo    Geometry
	index  int  // of the interface it is bound to
	cooked bool // SOCK_DGRAM: frames begin at the network header
	link   capture.LinkType
	poll   [1]unix.PollFd
}

// dropAll is the program that passes nothing.
var dropAll = []bpf.RawInstruction{{Op: unix.BPF_RET | unix.BPF_K}}

// openSocket makes a socket with filter attached, a ring, and bound.
func openSocket(cfg *Config, filter []bpf.RawInstruction, sys kernel) (*socket, error) {
	dev, err := lookup(cfg.Interface)
	if err != nil {
		return nil, err
	}
	typ := unix.SOCK_RAW
	if dev.cooked {
		typ = unix.SOCK_DGRAM
	}
	fd, err := newSocket(typ)
	if err != nil {
		return nil, err
	}
	s := &socket{fd: fd, index: dev.index, cooked: dev.cooked, link: dev.link()}
	if err := s.setUp(cfg, filter, sys); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// newSocket makes a packet socket that receives nothing yet: protocol 0.
func newSocket(typ int) (int, error) {
	fd, err := unix.Socket(unix.AF_PACKET, typ|unix.SOCK_CLOEXEC, 0)
	switch {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return -1, fmt.Errorf("packet socket: %w: needs CAP_NET_RAW (run as root, or setcap cap_net_raw+ep on the binary)", err)
	case errors.Is(err, unix.EAFNOSUPPORT):
		return -1, fmt.Errorf("packet socket: %w: this kernel lacks CONFIG_PACKET", err)
	case err != nil:
		return -1, fmt.Errorf("packet socket: %w", err)
	}
	return fd, nil
}

func (s *socket) setUp(cfg *Config, filter []bpf.RawInstruction, sys kernel) error {
	if err := unix.SetsockoptInt(s.fd, unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V3); err != nil {
		return fmt.Errorf("choose TPACKET_V3: %w", err)
	}
	if !cfg.Outgoing {
		// ENOPROTOOPT before Linux 4.20. A mirror port sends nothing anyway.
		err := unix.SetsockoptInt(s.fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1)
		if err != nil && !errors.Is(err, unix.ENOPROTOOPT) {
			return fmt.Errorf("ignore outgoing frames: %w", err)
		}
	}
	first := withSnaplen(filter, cfg.Snaplen)
	if cfg.Fanout != nil {
		first = dropAll
	}
	if err := s.attach(first); err != nil {
		return err
	}
	if err := s.mapRing(cfg, sys); err != nil {
		return err
	}
	if err := s.bind(s.index); err != nil {
		return err
	}
	if cfg.Fanout == nil {
		return nil
	}
	if err := unix.SetsockoptInt(s.fd, unix.SOL_PACKET, unix.PACKET_FANOUT, cfg.Fanout.arg(cfg.Outgoing)); err != nil {
		return fmt.Errorf("join fanout group %d: %w: all its rings need the same interface and flags, and some kernels want the interface up", cfg.Fanout.Group, err)
	}
	if cfg.Fanout.Inner {
		if err := s.spread(); err != nil {
			return fmt.Errorf("spread fanout group %d by inner flows: %w", cfg.Fanout.Group, err)
		}
	}
	return s.attach(withSnaplen(filter, cfg.Snaplen))
}

// spread gives the group of s, which every member does alike, the program that
// chooses a ring. Until then all frames would go to the first.
func (s *socket) spread() error {
	link := ethHeader
	if s.cooked {
		link = 0
	}
	prog, err := spreadProgram(link)
	if err != nil {
		return err
	}
	raw := sockFilters(prog)
	return unix.SetsockoptSockFprog(s.fd, unix.SOL_PACKET, unix.PACKET_FANOUT_DATA, &unix.SockFprog{Len: uint16(len(raw)), Filter: &raw[0]})
}

func sockFilters(prog []bpf.RawInstruction) []unix.SockFilter {
	raw := make([]unix.SockFilter, len(prog))
	for i, in := range prog {
		raw[i] = unix.SockFilter{Code: in.Op, Jt: in.Jt, Jf: in.Jf, K: in.K}
	}
	return raw
}

// arg packs f as setsockopt wants it: group, type and flags above it.
func (f *Fanout) arg(outgoing bool) int {
	typ := unix.PACKET_FANOUT_HASH
	if f.Inner {
		typ = unix.PACKET_FANOUT_CBPF
	}
	if f.Defrag {
		typ |= unix.PACKET_FANOUT_FLAG_DEFRAG
	}
	if f.Rollover {
		typ |= unix.PACKET_FANOUT_FLAG_ROLLOVER
	}
	if !outgoing { // in a group the group's flag counts, not the socket's option
		typ |= unix.PACKET_FANOUT_FLAG_IGNORE_OUTGOING
	}
	return int(f.Group) | typ<<16
}

// mapRing asks for the ring, and for less of it while the kernel has no room.
func (s *socket) mapRing(cfg *Config, sys kernel) error {
	geo := cfg.geometry()
	for {
		err := s.tryRing(geo, cfg.Retire, sys)
		if err == nil {
			return nil
		}
		next, ok := cfg.smaller(geo)
		if !ok || !(errors.Is(err, unix.ENOMEM) || errors.Is(err, unix.ENOBUFS)) {
			return fmt.Errorf("map a ring of %d blocks of %d bytes: %w", geo.Blocks, geo.BlockBytes, err)
		}
		geo = next
	}
}

func (s *socket) tryRing(geo Geometry, retire time.Duration, sys kernel) error {
	// The frame size has no meaning in version 3 beyond a check that these
	// numbers agree.
	const frame = 2048
	req := &unix.TpacketReq3{
		Block_size:     uint32(geo.BlockBytes),
		Block_nr:       uint32(geo.Blocks),
		Frame_size:     frame,
		Frame_nr:       uint32(geo.BlockBytes / frame * geo.Blocks),
		Retire_blk_tov: uint32(retire / time.Millisecond),
	}
	if err := sys.setRing(s.fd, req); err != nil {
		return err
	}
	mem, err := unix.Mmap(s.fd, 0, geo.Bytes(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return errors.Join(err, sys.setRing(s.fd, &unix.TpacketReq3{})) // all zero frees it
	}
	s.mem, s.geo = mem, geo
	return nil
}

// bind hooks the socket to the interface with that index, promiscuous. The
// membership ends with the socket, so the flag cannot leak.
func (s *socket) bind(index int) error {
	if index != s.index {
		// Only there when the old interface still exists under another name.
		_ = s.promiscuous(unix.PACKET_DROP_MEMBERSHIP, s.index)
	}
	if err := s.promiscuous(unix.PACKET_ADD_MEMBERSHIP, index); err != nil {
		return fmt.Errorf("promiscuous mode: %w", err)
	}
	err := unix.Bind(s.fd, &unix.SockaddrLinklayer{Protocol: htons(unix.ETH_P_ALL), Ifindex: index})
	if err != nil {
		_ = s.promiscuous(unix.PACKET_DROP_MEMBERSHIP, index)
		return fmt.Errorf("bind: %w", err)
	}
	s.index = index
	return nil
}

func (s *socket) promiscuous(option, index int) error {
	return unix.SetsockoptPacketMreq(s.fd, unix.SOL_PACKET, option,
		&unix.PacketMreq{Ifindex: int32(index), Type: unix.PACKET_MR_PROMISC})
}

// attach replaces the program; an empty one passes everything.
func (s *socket) attach(prog []bpf.RawInstruction) error {
	if len(prog) == 0 {
		err := unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0)
		if err != nil && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("detach filter: %w", err)
		}
		return nil
	}
	raw := sockFilters(prog)
	if len(raw) > maxProgram {
		return fmt.Errorf("attach filter: %d instructions, the kernel takes %d", len(raw), maxProgram)
	}
	err := unix.SetsockoptSockFprog(s.fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(raw)), Filter: &raw[0]})
	if errors.Is(err, unix.ENOMEM) {
		return fmt.Errorf("attach filter: %w: %d instructions do not fit in net.core.optmem_max", err, len(raw))
	}
	if err != nil {
		return fmt.Errorf("attach filter: %w", err)
	}
	return nil
}

// withSnaplen makes prog pass at most snaplen octets; 0 changes nothing.
func withSnaplen(prog []bpf.RawInstruction, snaplen int) []bpf.RawInstruction {
	const retK = unix.BPF_RET | unix.BPF_K
	if snaplen == 0 {
		return prog
	}
	if len(prog) == 0 {
		return []bpf.RawInstruction{{Op: retK, K: uint32(snaplen)}}
	}
	cut := append([]bpf.RawInstruction(nil), prog...)
	for i := range cut {
		if cut[i].Op == retK {
			cut[i].K = min(cut[i].K, uint32(snaplen))
		}
	}
	if n := len(cut); cut[n-1].Op == unix.BPF_RET|unix.BPF_A { // a sampling program
		cut[n-sampleCut].K, cut[n-sampleCut+1].K = uint32(snaplen), uint32(snaplen)
	}
	return cut
}

// markHidden marks the samples among frames that a sampling program has passed:
// they are one octet shorter than it makes the others. snaplen is Config.Snaplen.
func markHidden(frames []capture.Frame, snaplen int) {
	for i := range frames {
		f := &frames[i]
		whole := f.Length
		if snaplen > 0 {
			whole = min(whole, snaplen)
		}
		f.Hidden = len(f.Data) == whole-1
	}
}

// block returns the i-th block.
func (s *socket) block(i int) []byte {
	from := i * s.geo.BlockBytes
	return s.mem[from : from+s.geo.BlockBytes : from+s.geo.BlockBytes]
}

// ours says whether the i-th block has frames for us.
func (s *socket) ours(i int) bool {
	return atomic.LoadUint32(statusWord(s.block(i)))&unix.TP_STATUS_USER != 0
}

// bound returns the index of the interface the kernel has the socket bound
// to: -1 after that interface was removed, even if a new one has its index.
func (s *socket) bound() int {
	sa, err := unix.Getsockname(s.fd)
	if ll, ok := sa.(*unix.SockaddrLinklayer); err == nil && ok {
		return ll.Ifindex
	}
	return -1
}

// wait waits until a block is ready (or the socket has an error) or timeout
// has passed, and returns the events, 0 at the timeout.
func (s *socket) wait(timeout time.Duration) (int16, error) {
	s.poll[0] = unix.PollFd{Fd: int32(s.fd), Events: unix.POLLIN | unix.POLLERR}
	ms := int((timeout + time.Millisecond - 1) / time.Millisecond)
	n, err := unix.Poll(s.poll[:], ms)
	if err != nil || n == 0 {
		return 0, err
	}
	return s.poll[0].Revents, nil
}

// statistics returns the kernel's counters since the last call: reading
// resets them. Packets includes Drops.
func (s *socket) statistics() (*unix.TpacketStatsV3, error) {
	return unix.GetsockoptTpacketStatsV3(s.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
}

func (s *socket) close() error {
	var unmap error
	if s.mem != nil {
		unmap = unix.Munmap(s.mem)
		s.mem = nil
	}
	return errors.Join(unmap, unix.Close(s.fd))
}

// device is what an interface is at the moment.
type device struct {
	index  int
	flags  uint16 // IFF_*
	cooked bool
}

// link returns how frames from the device begin. What is not Ethernet is read
// from the network header on, which needs no knowledge of its link header.
func (d device) link() capture.LinkType {
	if d.cooked {
		return capture.LinkRaw
	}
	return capture.LinkEthernet
}

func (d device) state() State {
	switch {
	case d.flags&unix.IFF_UP == 0:
		return StateDown
	case d.flags&unix.IFF_RUNNING == 0:
		return StateNoCarrier
	}
	return StateUp
}

// lookup finds an interface in the namespace of the calling thread.
func lookup(name string) (device, error) {
	fd, err := newSocket(unix.SOCK_RAW)
	if err != nil {
		return device{}, err
	}
	dev, err := lookupOn(fd, name)
	if errors.Is(err, unix.ENODEV) {
		err = fmt.Errorf("%w; there are: %s", err, interfaceNames())
	}
	return dev, errors.Join(err, unix.Close(fd))
}

// lookupOn finds an interface in the namespace of the socket fd.
func lookupOn(fd int, name string) (device, error) {
	ifr, err := unix.NewIfreq(name)
	if err != nil {
		return device{}, fmt.Errorf("interface name %q: %w", name, err)
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFINDEX, ifr); err != nil {
		return device{}, fmt.Errorf("no such interface: %w", err)
	}
	dev := device{index: int(ifr.Uint32())}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, ifr); err != nil {
		return device{}, fmt.Errorf("interface flags: %w", err)
	}
	dev.flags = ifr.Uint16()
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFHWADDR, ifr); err != nil {
		return device{}, fmt.Errorf("interface type: %w", err)
	}
	typ := ifr.Uint16()
	dev.cooked = typ != unix.ARPHRD_ETHER && typ != unix.ARPHRD_LOOPBACK
	return dev, nil
}

// interfaceNames lists the interfaces there are, for error messages.
func interfaceNames() string {
	list, err := net.Interfaces()
	if err != nil || len(list) == 0 {
		return "none"
	}
	names := make([]string, len(list))
	for i, ifc := range list {
		names[i] = ifc.Name
	}
	return strings.Join(names, ", ")
}

func htons(v uint16) uint16 {
	var b [2]byte
	b[0], b[1] = byte(v>>8), byte(v)
	return u16(b[:], 0)
}
