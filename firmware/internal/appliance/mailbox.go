package appliance

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Raspberry Pi's firmware is told things through a mailbox: the address of a message is
// written to a register, and the answer comes into the message ("Mailbox property
// interface" of Raspberry Pi's firmware wiki). That the next start is to be a try is
// SET_REBOOT_FLAGS. Debian's kernel knows the mailbox but not that message, so that it is
// sent from here, by /dev/mem: that needs iomem=relaxed on its command line, and memory that is
// not the kernel's: scripts/image puts a page of it into the device tree.
const (
	mailboxPage  = "/proc/device-tree/reserved-memory/heptap-mailbox@*/reg"
	mailboxName  = ".mailbox" // in /proc/iomem
	mailboxWrite = 0x20       // registers
	mailboxState = 0x38
	mailboxFull  = 1 << 31
	propertyBox  = 8
	uncached     = 0xc0000000 // how the firmware's processor sees the lowest GiB

	setRebootFlags = 0x00038064
	tryOnce        = 1
	isRequest32    = 0
	isDone32       = 0x80000000
	mailboxAtMost  = time.Second
)

// tryMessage is the message, in words.
func tryMessage() [7]uint32 { return [7]uint32{7 * 4, isRequest32, setRebootFlags, 4, 0, tryOnce, 0} }

// mailboxAt finds the registers in the text of /proc/iomem.
func mailboxAt(iomem []byte) (uint64, error) {
	for line := range bytes.Lines(iomem) {
		span, name, ok := strings.Cut(strings.TrimSpace(string(line)), " : ")
		first, _, _ := strings.Cut(span, "-")
		if !ok || !strings.Contains(name, mailboxName) {
			continue
		}
		at, err := strconv.ParseUint(first, 16, 64)
		if err != nil || at == 0 || at%4 != 0 {
			return 0, fmt.Errorf("the firmware's mailbox is at %q", span)
		}
		return at, nil
	}
	return 0, errors.New("this machine's firmware has no mailbox")
}

// pageAt reads where the page is: address and size in words of 32 bits, the address in two.
func pageAt(reg []byte) (uint64, error) {
	if len(reg) != 12 {
		return 0, fmt.Errorf("%d octets in the device tree for the mailbox's page, not 12", len(reg))
	}
	at, size := binary.BigEndian.Uint64(reg), binary.BigEndian.Uint32(reg[8:])
	if at == 0 || at%4096 != 0 || at >= 1<<30 || size < 4096 {
		return 0, fmt.Errorf("the mailbox's page is %d octets at %#x", size, at)
	}
	return at, nil
}

// TryBoot implements Kernel.
func (Linux) TryBoot() error {
	iomem, err := os.ReadFile("/proc/iomem")
	if err != nil {
		return err
	}
	registers, err := mailboxAt(iomem)
	if err != nil {
		return err
	}
	found, err := filepath.Glob(mailboxPage)
	if err != nil || len(found) != 1 {
		return errors.New("the device tree has no page for the mailbox of the firmware")
	}
	reg, err := os.ReadFile(found[0])
	if err != nil {
		return err
	}
	page, err := pageAt(reg)
	if err != nil {
		return err
	}
	return post(registers, page)
}

// post sends the message and waits for its answer.
func post(registers, page uint64) error {
	mem, err := os.OpenFile("/dev/mem", os.O_RDWR|unix.O_SYNC, 0)
	if err != nil {
		return err
	}
	defer mem.Close()
	view := func(at uint64) ([]byte, error) {
		b, err := unix.Mmap(int(mem.Fd()), int64(at&^4095), 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		if err != nil {
			return nil, fmt.Errorf("/dev/mem at %#x: %w", at, err)
		}
		return b, nil
	}
	box, err := view(registers)
	if err != nil {
		return err
	}
	defer unix.Munmap(box)
	text, err := view(page)
	if err != nil {
		return err
	}
	defer unix.Munmap(text)
	message := tryMessage()
	for i, w := range message {
		atomic.StoreUint32(word(text, i*4), w)
	}
	at := int(registers & 4095)
	end := time.Now().Add(mailboxAtMost)
	for atomic.LoadUint32(word(box, at+mailboxState))&mailboxFull != 0 {
		if time.Now().After(end) {
			return errors.New("the firmware's mailbox is full")
		}
		time.Sleep(time.Millisecond)
	}
	atomic.StoreUint32(word(box, at+mailboxWrite), uint32(page)|uncached|propertyBox)
	for {
		switch answer := atomic.LoadUint32(word(text, 4)); {
		case answer == isDone32 && atomic.LoadUint32(word(text, 4*4))&isDone32 == 0:
			return errors.New("this release of the firmware cannot try a system")
		case answer == isDone32:
			return nil
		case answer != isRequest32:
			return fmt.Errorf("the firmware refuses to try a system: it answers %#x", answer)
		case time.Now().After(end):
			return errors.New("the firmware does not answer")
		}
		time.Sleep(time.Millisecond)
	}
}

// word is a word of 32 bits of mapped memory, which is one transfer.
func word(b []byte, at int) *uint32 { return (*uint32)(unsafe.Pointer(&b[at])) }
