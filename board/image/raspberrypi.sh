# Part of scripts/image: what is its own of a Raspberry Pi, whose boot loader is in an EEPROM
# of the board. It reads autoboot.txt of the first FAT for the number of the partition to start,
# and from there start4.elf, which reads config.txt. See package slots for how systems are tried.
# shellcheck shell=bash disable=SC2154 # the variables are scripts/image's

scripts/lab/need.sh fdtput:device-tree-compiler >&2

raspi=
if [ -z "$firmware" ]; then
	raspi=$(board/image/fetch.sh raspberrypi)
	firmware=$raspi/usr/lib/raspi-firmware
fi
for file in start4.elf fixup4.dat; do
	if [ ! -s "$firmware/$file" ]; then
		echo "$firmware: no $file, of Debian's raspi-firmware" >&2
		exit 1
	fi
done

# Size in MiB, of the boot partition and of each slot: a system has 60.
slot=128

# mailbox is a page of memory through which PID 1 tells the firmware to try a system: it is in
# every Raspberry Pi 4's lowest GiB, which is what the firmware can read, and the kernel leaves it alone.
mailbox=20000000

begin() { :; }

# boot makes a FAT with a whole system.
boot() { # FILE LABEL SERIAL
	fat "$1" $slot "$2" "$3"
	[ "$1" = "$work/system" ] || put "$1" "$work/autoboot.txt" autoboot.txt
	put "$1" "$work/start4.elf" start4.elf
	put "$1" "$work/fixup4.dat" fixup4.dat
	put "$1" "$work/board.dtb" board.dtb
	put "$1" "$work/kernel" kernel
	put "$1" "$work/initramfs" initramfs
	put "$1" "$work/config.txt" config.txt
	# A start4.elf that does not know tryboot_a_b reads this one when a system is tried.
	put "$1" "$work/config.txt" tryboot.txt
	put "$1" "$work/cmdline.txt" cmdline.txt
}

# bpb is a number in the first sector of the system's FAT.
bpb() { od -An -t "u$2" -j "$1" -N "$2" "$work/system"; } # OFFSET OCTETS

system() {
	cp "$firmware"/{start4.elf,fixup4.dat} "$work"
	cp "$debian/boot/vmlinuz-$kernel" "$work/kernel"
	cp "$debian/usr/lib/linux-image-$kernel/$dtb" "$work/board.dtb"
	local node=/reserved-memory/heptap-mailbox@$mailbox
	fdtput -cp "$work/board.dtb" $node
	fdtput -t x "$work/board.dtb" $node reg 0 $mailbox 1000
	fdtput "$work/board.dtb" $node no-map
	# /dev/mem is what PID 1 reaches the mailbox by.
	printf '%s iomem=relaxed\n' "$cmdline" >"$work/cmdline.txt"
	cat >"$work/config.txt" <<-END
		arm_64bit=1
		kernel=kernel
		device_tree=board.dtb
		initramfs initramfs followkernel
		cmdline=cmdline.txt
		enable_uart=1
		disable_splash=1
		disable_overscan=1
	END
	# Always of this length, so that the box changes it in place; with no systems in it yet.
	printf "[all]\ntryboot_a_b=1\nboot_partition=1\n%-442s\n" "#" >"$work/autoboot.txt"
	cp "$work/autoboot.txt" "$work/autoboot.bak"
	boot "$work/boot" HEPTAP 68657001
	put "$work/boot" "$work/autoboot.bak" autoboot.bak # far from the other one
	[ -z "$config" ] || put "$work/boot" "$work/heptap.conf" heptap.conf
	boot "$work/system" HEPTAPSLOT 68657002
	# Behind the last file, cmdline.txt, everything is free, and not part of an update.
	local last at
	last=$(mshowfat -i "$work/system" ::cmdline.txt | sed -n 's/.*[<-]\([0-9]*\)>.*/\1/p')
	at=$(($(bpb 14 2) + $(bpb 16 1) * $(bpb 36 4) + (last - 1) * $(bpb 13 1))) # sectors of 512 octets
	truncate -s $(((at + 2047) / 2048))M "$work/system"
}

disk() {
	truncate -s $((1 + 3 * slot + data + 1))M "$image"
	# A PC shows the first one alone, where heptap.conf goes.
	sfdisk -q "$image" <<-END
		label: gpt
		label-id: $(id 00)
		first-lba: 2048
		start=1MiB, size=${slot}MiB, type=EBD0A0A2-B9E5-4433-87C0-68B6B72699C7, uuid=$(id 01), name=heptap-esp
		start=$((1 + slot))MiB, size=${slot}MiB, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, uuid=$(id 02), name=heptap-slot-a
		start=$((1 + 2 * slot))MiB, size=${slot}MiB, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, uuid=$(id 05), name=heptap-slot-b
		start=$((1 + 3 * slot))MiB, size=${data}MiB, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4, uuid=$(id 03), name=heptap-data
	END
	write "$work/boot" 1
	write "$template" $((1 + 3 * slot))
}
