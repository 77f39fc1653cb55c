# Part of scripts/image: what is its own of boards that boot by UEFI, with systemd-boot.
# shellcheck shell=bash disable=SC2154 # the variables are scripts/image's

scripts/lab/need.sh "$objcopy:binutils$([ "$arch" = amd64 ] || echo -aarch64-linux-gnu)" >&2
[ ${#secure[@]} -eq 0 ] || scripts/lab/need.sh sbsign:sbsigntool >&2

# Sizes in MiB: each FAT takes two systems of the larger kind and room to write one.
esp=128 slots=256

# begin makes the FATs, and what a box needs to make its slots again.
begin() {
	fat "$work/esp" $esp HEPTAP 68657001
	fat "$work/slots" $slots HEPTAPSLOTS 68657002
	mmd -i "$work/esp" ::EFI ::EFI/BOOT ::EFI/Linux ::loader
	mmd -i "$work/slots" ::EFI ::EFI/Linux
	mkdir -p "$work/root/lib"
	head -c 8M "$work/slots" | gzip -9n >"$work/root/lib/slots.vfat.gz" # the rest is free
}

# unify makes a unified kernel image: sections behind those of systemd's stub. It has no version
# for systemd-boot to order systems by: the names of their files do, see package slots.
unify() {
	cat >"$work/osrel" <<-END
		ID=heptap
		IMAGE_ID=heptap
		NAME=heptap
		PRETTY_NAME="heptap $version"
		VERSION_ID=$version
	END
	printf %s "$cmdline" >"$work/cmdline"
	local stub=$debian/usr/lib/systemd/boot/efi/linux$efi.efi.stub at args=() section file
	at=$($objcopy --version >/dev/null && "${objcopy%objcopy}objdump" -h "$stub" | awk 'NF==7 {end=("0x"$4)+0; print $4, $3}' | tail -n 1)
	at=$(((0x${at% *} + 0x${at#* } + 0xffff) & ~0xffff))
	for section in osrel cmdline initrd linux; do
		case $section in
		initrd) file=$work/initramfs ;;
		linux) file=$debian/boot/vmlinuz-$kernel ;;
		*) file=$work/$section ;;
		esac
		args+=(--add-section ".$section=$file" --change-section-vma ".$section=$(printf '0x%x' $at)")
		at=$(((at + $(stat -c %s "$file") + 0xffff) & ~0xffff))
	done
	# Without -p the time of day gets into the header.
	$objcopy -p "${args[@]}" "$stub" "$work/system"
}

system() {
	unify
	cp "$debian/usr/lib/systemd/boot/efi/systemd-boot$efi.efi" "$work/loader.efi"
	local file
	if [ ${#secure[@]} -gt 0 ]; then
		for file in "$work/system" "$work/loader.efi"; do
			sbsign --key "${secure[0]}" --cert "${secure[1]}" --output "$file" "$file" >&2
		done
	fi
	printf 'timeout 0\neditor no\n' >"$work/loader.conf"
	put "$work/esp" "$work/loader.efi" "EFI/BOOT/$removable"
	put "$work/esp" "$work/loader.conf" loader/loader.conf
	put "$work/esp" "$work/system" EFI/Linux/heptap_factory.efi
	[ -z "$config" ] || put "$work/esp" "$work/heptap.conf" heptap.conf
}

disk() {
	truncate -s $((1 + esp + slots + data + 1))M "$image"
	sfdisk -q "$image" <<-END
		label: gpt
		label-id: $(id 00)
		first-lba: 2048
		start=1MiB, size=${esp}MiB, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, uuid=$(id 01), name=heptap-esp
		start=$((1 + esp))MiB, size=${slots}MiB, type=BC13C2FF-59E6-4262-A352-B275FD6F7172, uuid=$(id 02), name=heptap-slots
		start=$((1 + esp + slots))MiB, size=${data}MiB, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4, uuid=$(id 03), name=heptap-data
	END
	write "$work/esp" 1
	write "$work/slots" $((1 + esp))
	write "$template" $((1 + esp + slots))
}
