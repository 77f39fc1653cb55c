#!/usr/bin/env bash
# Installs Debian packages, only those whose command is missing.
#
#   scripts/lab/need.sh COMMAND:PACKAGE ...
set -euo pipefail

missing=()
for pair in "$@"; do
	PATH=$PATH:/usr/sbin:/sbin command -v "${pair%%:*}" >/dev/null || missing+=("${pair#*:}")
done
[ ${#missing[@]} -gt 0 ] || exit 0
mapfile -t missing < <(printf '%s\n' "${missing[@]}" | sort -u)
if ! command -v apt-get >/dev/null; then
	echo "missing, and this is no Debian to install it on: ${missing[*]}" >&2
	exit 1
fi
if [ "$(id -u)" -ne 0 ]; then
	echo "missing: ${missing[*]}; run as root, or: apt-get install ${missing[*]}" >&2
	exit 1
fi
echo "Installing from Debian: ${missing[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
export DEBIAN_FRONTEND=noninteractive
if ! { apt-get update -qq && apt-get install -y -qq --no-install-recommends "${missing[@]}"; } </dev/null >"$log" 2>&1; then
	cat "$log" >&2
	echo "could not install: ${missing[*]}" >&2
	exit 1
fi
