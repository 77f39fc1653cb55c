package links

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// LLC is what Listen takes in place of an ethertype for frames that have a length
// and an 802.2 header.
const LLC = unix.ETH_P_802_2

// listenBuffer is what the kernel holds of frames that were not read yet, in octets.
const listenBuffer = 32 << 10

// Listen returns the frames of an ethertype that come in by the device, those to the
// groups too; each Read is one frame, with its Ethernet header, cut to the buffer's
// length. Frames of other ethertypes cost nothing. It needs CAP_NET_RAW, and must be
// called in the network namespace of the device. When the device goes down or away,
// Read fails.
func Listen(device string, etherType uint16, groups ...[6]byte) (io.ReadCloser, error) {
	i, err := net.InterfaceByName(device)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", device, err)
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", device, err)
	}
	if err := listen(fd, i.Index, etherType, groups); err != nil {
		return nil, errors.Join(fmt.Errorf("listen on %s: %w", device, err), unix.Close(fd))
	}
	return os.NewFile(uintptr(fd), device), nil
}

func listen(fd, index int, etherType uint16, groups [][6]byte) error {
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, listenBuffer/2); err != nil { // the kernel doubles it
		return err
	}
	for _, g := range groups {
		m := unix.PacketMreq{Ifindex: int32(index), Type: unix.PACKET_MR_MULTICAST, Alen: uint16(len(g))}
		copy(m.Address[:], g[:])
		if err := unix.SetsockoptPacketMreq(fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &m); err != nil {
			return fmt.Errorf("join %x: %w", g, err)
		}
	}
	return unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: index, Protocol: etherType<<8 | etherType>>8}) // in network order: all that we run on are little-endian
}
