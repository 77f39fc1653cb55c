#!/usr/bin/env bash
# Builds the kernel's GPIO simulator, which Debian's kernels are built without,
# as a module for the kernel that board/image/fetch.sh fetched, and prints its path.
# For tests only. Source and headers are Debian's, of the same version; what is built
# stays in the cache, beside the kernel, and nothing is installed but a compiler.
#
#   scripts/lab/guest/gpio-sim.sh amd64|arm64
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
export PATH=$PATH:/usr/sbin:/sbin LC_ALL=C

arch=${1:?which architecture?}
kernel=$("$here/../../../board/image/fetch.sh" "$arch")
read -r image version < <(grep '^linux-image-' "$kernel/versions")
release=${image#linux-image-}       # 6.1.0-56-amd64
abi=${release%-"$arch"}             # 6.1.0-56
series=${release%"${release#*.*.}"} # 6.1.
series=${series%.}
out=$kernel-gpio-sim-$version.ko
if [ -e "$out" ]; then
	echo "$out"
	exit
fi

host=$(dpkg --print-architecture)
cross=
if [ "$host" != "$arch" ]; then
	case $arch in
	amd64) cross=x86_64-linux-gnu- ;;
	arm64) cross=aarch64-linux-gnu- ;;
	esac
fi
compiler=gcc-12
[ -z "$cross" ] || compiler=gcc-12-${cross%-}
compiler=${compiler//x86_64/x86-64}
"$here/../need.sh" make:make xz:xz-utils "${cross}gcc-12:$compiler" >&2

tmp=$(mktemp -d "${kernel%/*}/gpio-sim.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
download() { # ARCHITECTURE PACKAGE...: of that version, unpacked unless it is the source
	local a=$1 apt p
	shift
	mkdir -p "$tmp/$a/lists/partial" "$tmp/$a/cache/archives/partial" "$tmp/debs"
	: >"$tmp/$a/status"
	apt=(apt-get -qq -o APT::Architecture="$a" -o APT::Architectures::="$a" -o Dir::State::Lists="$tmp/$a/lists"
		-o Dir::Cache="$tmp/$a/cache" -o Dir::State::status="$tmp/$a/status" -o APT::Sandbox::User=root)
	"${apt[@]}" update >&2
	for p; do (cd "$tmp/debs" && "${apt[@]}" download "$p=$version"); done
}
download "$arch" "linux-headers-$release" "linux-headers-$abi-common" "linux-source-$series"
download "$host" "linux-kbuild-$series"
for deb in "$tmp"/debs/linux-{headers,kbuild}-*.deb; do dpkg-deb --extract "$deb" "$tmp/root"; done

# Three files of the source are enough, and tar may stop once it has them.
mkdir "$tmp/module"
source=linux-source-$series
{ dpkg-deb --fsys-tarfile "$tmp"/debs/"$source"_*.deb | tar -xO "./usr/src/$source.tar.xz" | xz -dc |
	tar -x -C "$tmp/module" --occurrence=1 --strip-components=3 \
		"$source/drivers/gpio/gpio-sim.c" "$source/drivers/gpio/gpiolib.h" "$source/kernel/irq/irq_sim.c"; } 2>"$tmp/broken-pipes" || true
# irq_to_desc is not exported to modules.
sed -i 's/handle_simple_irq(irq_to_desc(\([a-z]*\)))/generic_handle_irq(\1)/' "$tmp/module/irq_sim.c"
printf 'obj-m := gpio-simulated.o\ngpio-simulated-y := gpio-sim.o irq_sim.o\n' >"$tmp/module/Kbuild"

sed -i "s|/usr/src|$tmp/root/usr/src|" "$tmp/root/usr/src/linux-headers-$release/Makefile"
kernelArch=$arch
[ "$arch" != amd64 ] || kernelArch=x86
make -s -C "$tmp/root/usr/src/linux-headers-$release" M="$tmp/module" ARCH="$kernelArch" CROSS_COMPILE="$cross" modules >&2
mv -T "$tmp/module/gpio-simulated.ko" "$out"
echo "$out"
