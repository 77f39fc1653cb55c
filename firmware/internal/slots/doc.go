// Package slots is the systems that updates have brought to a box, beside the factory
// system, which is on a partition of its own that nothing writes to.
//
// All there is to know of a system is in its file's name, which is what systemd-boot
// goes by, too (systemd-boot(7), "Boot counting"):
//
//	heptap_12_v1.2.0+3.efi     new: three starts are left
//	heptap_12_v1.2.0+2-1.efi   on trial: systemd-boot has counted one start
//	heptap_12_v1.2.0.efi       committed
//	heptap_12_v1.2.0+0-3.efi   given up
//	heptap_factory.efi         the factory system, on the other partition
//	heptap.part                one that is being written; no file of systemd-boot's
//
// Systemd-boot starts the highest number, given up ones behind all others; the factory
// system is lower than any number and is never given up. So what the box falls back on is
// the system before, then the factory system, and a change is one change of a name.
//
// # Writing
//
// Install removes every system but the one that runs, writes the new one as
// heptap.part, has it settle on the disk, reads it from there, compares it
// with what was signed, and only then gives it its name. A power cut at any time before
// leaves the running system the one that is started. FAT changes a name in several
// places of a directory: a power cut in the middle of that may lose the file, and leaves
// the system before or the factory system.
package slots
