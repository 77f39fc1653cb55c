#!/usr/bin/env bash
# Installs JsSIP, in the versions that package-lock.json names, into a cache
# outside the repository, unless it is there already, and prints where it is.
#
#   scripts/lab/jssip/install.sh          install
#   scripts/lab/jssip/install.sh -where   only print where it is, or would be
#
# The cache is HEPTAP_CACHE, or heptap in the user's cache directory.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")"
cache=${HEPTAP_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/heptap}
dir=$cache/jssip-$(sha256sum package-lock.json | cut -c1-16)
if [ "${1:-}" != -where ] && [ ! -d "$dir" ]; then
	mkdir -p "$cache"
	tmp=$(mktemp -d "$cache/jssip.XXXXXX")
	trap 'rm -rf "$tmp"' EXIT
	cp package.json package-lock.json "$tmp"
	# No script of a package is run: what they would compile is a choice, not a need.
	(cd "$tmp" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) >&2
	mv -T "$tmp" "$dir" 2>/dev/null || [ -d "$dir" ] # another one may have been faster
fi
echo "$dir"
