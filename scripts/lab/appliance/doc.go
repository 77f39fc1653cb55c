// Package appliance boots the image of a board in QEMU, by UEFI, and holds it to
// what a technician relies on: it captures, keeps its records, says what it does,
// and never sends on a mirror port. Its tests need what scripts/image needs, QEMU
// and the firmware packages ovmf and qemu-efi-aarch64; not root.
//
// The uplink NIC is QEMU's user network, whose DHCP server gives the box its
// address, and whose 10.0.2.2 is this machine's loopback, where the collector is. The
// mirror NIC is a pair of datagram sockets: each datagram is a frame. Whatever the
// box sends there is an error; what QEMU's UEFI firmware sends before the box's own
// system runs (it looks for a network to boot from) is not the box's.
package appliance
