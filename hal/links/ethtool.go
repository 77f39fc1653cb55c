package links

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The ethtool interface of linux/ethtool.h, by SIOCETHTOOL. This is the
// package's only file with unsafe: an ifreq holds the address of a command,
// and the command is built as octets in native order.

const (
	stringSetFeatures = 4   // ETH_SS_FEATURES
	featureName       = 32  // ETH_GSTRING_LEN
	maxFeatures       = 512 // the kernel has about 65
)

// merging are the features that make one frame out of several.
var merging = map[string]bool{
	"rx-gro": true, "rx-gro-hw": true, "rx-gro-list": true, "rx-lro": true, "rx-udp-gro-forwarding": true,
}

// ifreq is struct ifreq with ifr_data; the union is larger than a pointer.
type ifreq struct {
	name [unix.IFNAMSIZ]byte
	data unsafe.Pointer
	_    [24]byte
}

// ethtool runs the command in cmd, which starts with its number and is
// answered in place.
func ethtool(fd int, name string, cmd []byte) error {
	if len(name) >= unix.IFNAMSIZ {
		return unix.EINVAL
	}
	req := ifreq{data: unsafe.Pointer(&cmd[0])}
	copy(req.name[:], name)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&req)))
	runtime.KeepAlive(cmd)
	if errno != 0 {
		return errno
	}
	return nil
}

func command(number uint32, size int) []byte {
	b := make([]byte, size)
	binary.NativeEndian.PutUint32(b, number)
	return b
}

// speed returns the interface's speed in Mbit/s, 0 if nobody knows
// (struct ethtool_cmd).
func speed(fd int, name string) int {
	cmd := command(unix.ETHTOOL_GSET, 44)
	if ethtool(fd, name, cmd) != nil {
		return 0
	}
	mbit := uint32(binary.NativeEndian.Uint16(cmd[12:])) | uint32(binary.NativeEndian.Uint16(cmd[28:]))<<16
	if mbit == 0xffffffff || mbit == 0xffff { // SPEED_UNKNOWN, also from before there was speed_hi
		return 0
	}
	return int(mbit)
}

// feature is the index of a bit of the interface's features.
type feature struct {
	bit  int
	name string
}

// mergingOn returns the merging features that are on and may be changed.
func mergingOn(fd int, name string) ([]feature, error) {
	names, err := featureNames(fd, name)
	if errors.Is(err, unix.EOPNOTSUPP) {
		return nil, nil // a device without ethtool merges nothing
	}
	if err != nil {
		return nil, fmt.Errorf("feature names: %w", err)
	}
	// struct ethtool_gfeatures: command, size, then per 32 bits: available,
	// requested, active, never changed.
	blocks := (len(names) + 31) / 32
	cmd := command(unix.ETHTOOL_GFEATURES, 8+16*blocks)
	binary.NativeEndian.PutUint32(cmd[4:], uint32(blocks))
	if err := ethtool(fd, name, cmd); err != nil {
		return nil, fmt.Errorf("features: %w", err)
	}
	var on []feature
	for bit, n := range names {
		block := cmd[8+16*(bit/32):]
		mask := uint32(1) << (bit % 32)
		available, active := binary.NativeEndian.Uint32(block), binary.NativeEndian.Uint32(block[8:])
		if merging[n] && active&mask != 0 && available&mask != 0 {
			on = append(on, feature{bit, n})
		}
	}
	return on, nil
}

// setFeatures turns features on or off (struct ethtool_sfeatures: command,
// size, then per 32 bits: valid, requested).
func setFeatures(fd int, name string, features []feature, on bool) error {
	if len(features) == 0 {
		return nil
	}
	names, err := featureNames(fd, name)
	if err != nil {
		return fmt.Errorf("feature names: %w", err)
	}
	blocks := (len(names) + 31) / 32
	cmd := command(unix.ETHTOOL_SFEATURES, 8+8*blocks)
	binary.NativeEndian.PutUint32(cmd[4:], uint32(blocks))
	for _, f := range features {
		if f.bit >= 32*blocks {
			continue
		}
		block, mask := cmd[8+8*(f.bit/32):], uint32(1)<<(f.bit%32)
		binary.NativeEndian.PutUint32(block, binary.NativeEndian.Uint32(block)|mask)
		if on {
			binary.NativeEndian.PutUint32(block[4:], binary.NativeEndian.Uint32(block[4:])|mask)
		}
	}
	if err := ethtool(fd, name, cmd); err != nil {
		return fmt.Errorf("set features: %w", err)
	}
	return nil
}

// featureNames returns the kernel's features, by bit.
func featureNames(fd int, name string) ([]string, error) {
	// struct ethtool_sset_info: command, reserved, mask (64 bits), counts.
	info := command(unix.ETHTOOL_GSSET_INFO, 20)
	binary.NativeEndian.PutUint64(info[8:], 1<<stringSetFeatures)
	if err := ethtool(fd, name, info); err != nil {
		return nil, err
	}
	n := int(binary.NativeEndian.Uint32(info[16:]))
	if binary.NativeEndian.Uint64(info[8:]) == 0 || n == 0 {
		return nil, unix.EOPNOTSUPP
	}
	if n > maxFeatures {
		return nil, fmt.Errorf("%d of them", n)
	}
	// struct ethtool_gstrings: command, set, count, names.
	cmd := command(unix.ETHTOOL_GSTRINGS, 12+n*featureName)
	binary.NativeEndian.PutUint32(cmd[4:], stringSetFeatures)
	binary.NativeEndian.PutUint32(cmd[8:], uint32(n))
	if err := ethtool(fd, name, cmd); err != nil {
		return nil, err
	}
	names := make([]string, n)
	for i := range names {
		raw, _, _ := bytes.Cut(cmd[12+i*featureName:][:featureName], []byte{0})
		names[i] = string(raw)
	}
	return names, nil
}
