package relay

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// receiveBuffer holds what comes in while the relay does not run: 20,000
// packets a second are 16 MiB of socket memory in half a second or so.
const receiveBuffer = 32 << 20

// port is an interface: one socket to receive from it, one to send to it.
type port struct{ rx, tx int }

func openPort(index int) (*port, error) {
	p := &port{-1, -1}
	var err error
	if p.rx, err = packetSocket(unix.ETH_P_ALL, index); err != nil {
		return nil, err
	}
	err = errors.Join(
		unix.SetsockoptInt(p.rx, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBuffer),
		unix.SetsockoptInt(p.rx, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1),
		unix.SetsockoptPacketMreq(p.rx, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP,
			&unix.PacketMreq{Ifindex: int32(index), Type: unix.PACKET_MR_PROMISC}),
		unix.SetNonblock(p.rx, true))
	if err == nil {
		p.tx, err = packetSocket(0, index) // protocol 0 receives nothing
	}
	if err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

func packetSocket(proto uint16, index int) (int, error) {
	// Protocol 0 until it is bound: else it receives from every interface.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("packet socket: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: proto<<8 | proto>>8, Ifindex: index}); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("bind packet socket: %w", err)
	}
	return fd, nil
}

func (p *port) close() {
	for _, fd := range []int{p.rx, p.tx} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}

// receive returns 0 and no error when there is nothing.
func (p *port) receive(b []byte) (int, error) {
	for {
		n, err := unix.Read(p.rx, b)
		switch err {
		case nil:
			return n, nil
		case unix.EAGAIN:
			return 0, nil
		case unix.EINTR, unix.ENETDOWN: // it may come back
			continue
		}
		return 0, err
	}
}

// send blocks while the interface is busy.
func (p *port) send(b []byte) error {
	for {
		_, err := unix.Write(p.tx, b)
		if err == unix.ENOBUFS || err == unix.EINTR || err == unix.EAGAIN {
			continue
		}
		return err
	}
}

// drops returns how many frames the kernel dropped since the last call
// (packet(7), PACKET_STATISTICS).
func (p *port) drops() uint64 {
	st, err := unix.GetsockoptTpacketStats(p.rx, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err != nil {
		return 0
	}
	return uint64(st.Drops)
}
