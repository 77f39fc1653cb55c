package ring

import (
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"
)

// cardClock is the opened clock of a network card.
type cardClock struct {
	read  func() (card, mono, apart int64, ok bool)
	close func() error
}

// stampBy chooses which clock the frames of a socket are stamped by: the card's, of those
// that it stamps, or the system's.
func stampBy(fd int, hardware bool) error {
	by := 0
	if hardware {
		by = unix.SOF_TIMESTAMPING_RAW_HARDWARE
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_TIMESTAMP, by); err != nil {
		return fmt.Errorf("choose the clock: %w", err)
	}
	return nil
}

// openCard has the card stamp all that it receives, if it does not already, and opens its
// clock (Documentation/networking/timestamping.rst, 2 and 3). The errors are
// for people who read why it is not used.
func openCard(fd int, iface string) (cardClock, error) {
	info, err := unix.IoctlGetEthtoolTsInfo(fd, iface)
	switch {
	case errors.Is(err, unix.EOPNOTSUPP):
		return cardClock{}, errors.New("its driver knows no hardware timestamps")
	case err != nil:
		return cardClock{}, fmt.Errorf("ask for what it can do: %w", err)
	case info.So_timestamping&unix.SOF_TIMESTAMPING_RAW_HARDWARE == 0 || info.Phc_index < 0:
		return cardClock{}, errors.New("it has no clock for hardware timestamps")
	case info.Rx_filters&(1<<unix.HWTSTAMP_FILTER_ALL) == 0:
		return cardClock{}, errors.New("it can stamp packets of PTP only, not every frame")
	}
	if err := stampAll(fd, iface); err != nil {
		return cardClock{}, err
	}
	return openPHC(fmt.Sprintf("/dev/ptp%d", info.Phc_index))
}

// stampAll has the driver stamp every frame it receives.
func stampAll(fd int, iface string) error {
	if is, err := unix.IoctlGetHwTstamp(fd, iface); err == nil && is.Rx_filter == unix.HWTSTAMP_FILTER_ALL {
		return nil
	}
	want := &unix.HwTstampConfig{Tx_type: unix.HWTSTAMP_TX_OFF, Rx_filter: unix.HWTSTAMP_FILTER_ALL}
	switch err := unix.IoctlSetHwTstamp(fd, iface, want); {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("have it stamp frames: %w: needs CAP_NET_ADMIN, or set capture NAME link-setup on", err)
	case err != nil:
		return fmt.Errorf("have it stamp frames: %w", err)
	case want.Rx_filter != unix.HWTSTAMP_FILTER_ALL: // what the driver made of it
		return errors.New("it can stamp packets of PTP only, not every frame")
	}
	return nil
}

// openPHC opens the clock of a card, which CLOCK_MONOTONIC is read before and after.
func openPHC(path string) (cardClock, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return cardClock{}, fmt.Errorf("open its clock: %s: %w", path, err)
	}
	id := unix.FdToClockID(fd)
	return cardClock{read: func() (int64, int64, int64, bool) { return sandwich(id) }, close: func() error { return unix.Close(fd) }}, nil
}

// sandwich reads a clock between two readings of CLOCK_MONOTONIC, and takes the narrowest
// of five: an interrupt in between makes one wide, and the bus one or two microseconds.
func sandwich(id int32) (card, mono, apart int64, ok bool) {
	const tries = 5
	var before, at, after unix.Timespec
	for range tries {
		if unix.ClockGettime(unix.CLOCK_MONOTONIC, &before) != nil || unix.ClockGettime(id, &at) != nil || unix.ClockGettime(unix.CLOCK_MONOTONIC, &after) != nil {
			return 0, 0, 0, false
		}
		if d := after.Nano() - before.Nano(); !ok || d < apart {
			card, mono, apart, ok = at.Nano(), before.Nano()+d/2, d, true
		}
	}
	return card, mono, apart, ok
}
