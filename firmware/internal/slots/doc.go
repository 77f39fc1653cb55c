// Package slots is the systems that updates have brought to a box, beside the factory
// system, which nothing writes to. What the box falls back on is the system before,
// then the factory system. There are two boot loaders that it knows (Loader).
//
// # UEFI
//
// With systemd-boot (Entries), all there is to know of a system is in its file's name (systemd-boot(7),
// "Boot counting"):
//
//	heptap_12_v1.2.0+3.efi     new: three starts are left
//	heptap_12_v1.2.0+2-1.efi   on trial: systemd-boot has counted one start
//	heptap_12_v1.2.0.efi       committed
//	heptap_12_v1.2.0+0-3.efi   given up
//	heptap_factory.efi         the factory system, on the other partition
//	heptap.part                one that is being written; no file of systemd-boot's
//
// Systemd-boot starts the highest number, given up ones behind all others; the factory
// system is lower than any number and is never given up. A change is one change of a name.
//
// Install removes every system but the one that runs, writes the new one as
// heptap.part, has it settle on the disk, reads it from there, compares it
// with what was signed, and only then gives it its name. A power cut at any time before
// leaves the running system the one that is started. FAT changes a name in several
// places of a directory: a power cut in the middle of that may lose the file, and leaves
// the system before or the factory system.
//
// # Raspberry Pi
//
// The loader in the board's EEPROM (TryBoot) reads autoboot.txt on the first partition:
//
//	[all]
//	tryboot_a_b=1
//	boot_partition=2          what is started: committed, or 1, the factory system
//	[tryboot]
//	boot_partition=3          once, after a restart that asks for it: on trial
//	[none]
//	# 2 11 v1.1.0 false 0 0   partition, number, version, counted, starts left and done
//	# 3 12 v1.2.0 true 1 0
//	# 5d41402a                CRC-32 of the lines before
//
// A system is a whole FAT, which is written to a partition of its own: it has no files to be
// renamed. All that changes of the first partition is that text: one sector of a file that keeps
// its size and place, written without mounting the file system, so that a power cut has either text.
// A disk that loses the sector instead leaves no autoboot.txt that says anything, and the boot loader takes the
// first partition, the factory system; that has a copy, autoboot.bak, which is written before,
// and repairs it (Repair). A boot loader of before October 2022 does not know tryboot_a_b.
//
// A new system has one start. Any end of it before it is committed brings the one before back, without
// anybody's doing. Nobody counts it but the system before, right before it restarts (Tried): a
// power cut in between costs a new system its trial, and it counts as given up.
package slots
