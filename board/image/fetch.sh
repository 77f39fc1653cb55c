#!/usr/bin/env bash
# Fetches the Debian packages that packages.txt names for another architecture, or
# this one, unpacks them into a cache outside the repository unless they are there
# already, and prints the directory. Nothing is installed.
#
#   board/image/fetch.sh amd64|arm64          fetch
#   board/image/fetch.sh raspberrypi          what packages-raspberrypi.txt names
#   board/image/fetch.sh -where ...           only print the directory
#
# In it are boot/vmlinuz-VERSION, lib/modules/VERSION, sbin/e2fsck.static, usr/lib/systemd/boot/efi,
# usr/share/ca-certificates, or usr/lib/raspi-firmware; and the file "versions": package and version, one a
# line. The cache is HEPTAP_CACHE, or heptap in the user's cache directory.
#
# The Raspberry Pi's firmware is in Debian's component non-free-firmware. It is asked for where
# this machine's apt gets Debian's main component from, whether it is enabled here or not.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")"
export PATH=$PATH:/usr/sbin:/sbin LC_ALL=C

where=
if [ "${1:-}" = -where ]; then where=yes; shift; fi
arch=${1:-} list=packages.txt what=debian-$arch
case $arch in
amd64 | arm64) ;;
raspberrypi) arch=arm64 list=packages-raspberrypi.txt what=raspberrypi ;;
*)
	echo "usage: fetch.sh [-where] amd64|arm64|raspberrypi" >&2
	exit 2
	;;
esac
cache=${HEPTAP_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/heptap}
dir=$cache/$what-$(sha256sum "$list" fetch.sh | sha256sum | cut -c1-16)
if [ -n "$where" ] || [ -d "$dir" ]; then
	echo "$dir"
	exit
fi

mkdir -p "$cache"
tmp=$(mktemp -d "$cache/debian.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
mkdir -p "$tmp"/apt/{lists/partial,cache/archives/partial} "$tmp"/{debs,root}
: >"$tmp/apt/status"
sources=()
if [ "$what" = raspberrypi ]; then
	keyring=/usr/share/keyrings/debian-archive-keyring.gpg
	[ ! -e $keyring ] || signed="[signed-by=$keyring] "
	# shellcheck disable=SC2016 # apt's variables, not the shell's
	apt-get indextargets --format '$(CREATED_BY) $(ORIGIN) $(COMPONENT) $(REPO_URI) $(RELEASE)' |
		sed -n "s|^Packages Debian main \\([^ ]*\\) \\([^ ]*\\)\$|deb ${signed:-}\\1 \\2 non-free-firmware|p" | sort -u >"$tmp/apt/sources.list"
	if [ ! -s "$tmp/apt/sources.list" ]; then
		echo "fetch.sh: apt here knows no archive of Debian's; on any other machine get the package raspi-firmware, and: scripts/image -firmware DIR" >&2
		exit 1
	fi
	sources=(-o Dir::Etc::SourceList="$tmp/apt/sources.list" -o Dir::Etc::SourceParts=/dev/null)
fi
apt() { # apt-get or apt-cache, with lists of its own for that architecture
	local tool=$1
	shift
	"$tool" -qq -o APT::Architecture="$arch" -o APT::Architectures::="$arch" -o Dir::State::Lists="$tmp/apt/lists" \
		-o Dir::Cache="$tmp/apt/cache" -o Dir::State::status="$tmp/apt/status" -o APT::Sandbox::User=root "${sources[@]}" "$@"
}
# An archive in the middle of its own update refuses for some seconds.
for try in 1 2 3 4 5; do
	if apt apt-get update >&2; then break; fi
	[ "$try" -lt 5 ] || exit 1
	sleep 5
done

while read -r name version newest; do
	case $name in '' | '#'*) continue ;; esac
	name=${name//ARCH/$arch} newest=${newest//ARCH/$arch}
	if ! (cd "$tmp/debs" && apt apt-get download "$name=$version") 2>/dev/null; then
		if [ -n "$newest" ]; then
			name=$(apt apt-cache depends "$newest" | sed -n 's/^  Depends: \(linux-image-[0-9][^ ]*\)$/\1/p' | head -n 1)
		fi
		(cd "$tmp/debs" && apt apt-get download "$name")
		echo "fetch.sh: not the version that was tested: $(cd "$tmp/debs" && echo "${name}"_*), for $version" >&2
	fi
done <"$list"
for deb in "$tmp"/debs/*.deb; do
	dpkg-deb --extract "$deb" "$tmp/root"
	dpkg-deb --show "$deb" >>"$tmp/root/versions"
done
[ "$what" = raspberrypi ] || depmod -b "$tmp/root" "$(basename "$tmp"/root/lib/modules/*)"
mv -T "$tmp/root" "$dir" 2>/dev/null || [ -d "$dir" ] # another one may have been faster
echo "$dir"
