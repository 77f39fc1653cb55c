#!/usr/bin/env bash
# Resident memory of the probe with many calls and their RTP.
#
#   scripts/bench/memory.sh
#   MAX_MIB=128 CALLS=10000 scripts/bench/memory.sh
#
# Two network namespaces joined by a veth pair; gen.c sets up CALLS calls, two
# RTP streams each, and sends their RTP and RTCP and the SIP of other, short
# calls (mode mix) to a heptap with nothing configured but the port and a
# collector, which is another heptap in the same namespace. While all calls are
# up it prints where the probe's resident memory is: the ring, the program's own
# file, and the heap with the rest (/proc/PID/smaps), and the most there was
# (VmHWM). The last line is the budget that the probe itself printed at its start.
# On a machine that is busy with other things it is more: packets wait in more
# batches then. Needs root, iproute2, gcc.
#
#   HEPTAP        a heptap that is built already
#   CONFIG        more lines of configuration, such as "set packets memory off"
#   EMBEDDED      not empty: heptap run -collect instead of a second process
#   CALLS 10000, SECONDS_EACH 60 of media, RATE 60000 packets/s: see gen.c
#   SCHED         put before every program. No real-time priority on a busy machine:
#                 two Go programs with one take both cores and wait for the rest
#   MAX_MIB       fail when more was resident
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
calls=${CALLS:-10000} each=${SECONDS_EACH:-60} rate=${RATE:-60000}
read -r -a sched <<<"${SCHED:-}"

tmp=$(mktemp -d)
tx=mem-tx-$$ rx=mem-rx-$$
pids=()
cleanup() {
	if [ ${#pids[@]} -gt 0 ]; then kill "${pids[@]}" 2>/dev/null || true; fi
	wait
	ip netns del "$tx" 2>/dev/null || true
	ip netns del "$rx" 2>/dev/null || true
	rm -rf "$tmp"
}
trap cleanup EXIT

${CC:-cc} -O2 -o "$tmp/gen" "$here/gen.c"
heptap=${HEPTAP:-$tmp/heptap}
[ -n "${HEPTAP:-}" ] || (cd "$here/../.." && CGO_ENABLED=0 go build -o "$heptap" ./firmware)

for ns in "$tx" "$rx"; do
	ip netns add "$ns"
	ip netns exec "$ns" sh -c 'echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6' 2>/dev/null || true
done
ip link add mem0 netns "$tx" type veth peer name mem1 netns "$rx"
ip -n "$tx" link set mem0 up
ip -n "$rx" link set mem1 up
ip -n "$rx" link set lo up

{
	echo "set capture span0 interface mem1"
	echo "set spool path $tmp/spool"
	[ -z "${CONFIG:-}" ] || echo "$CONFIG"
} >"$tmp/probe.conf"
run=(run -config "$tmp/probe.conf")
if [ -n "${EMBEDDED:-}" ]; then
	run+=(-collect 127.0.0.1:9060)
else
	echo "set collector central address 127.0.0.1:9060" >>"$tmp/probe.conf"
	ip netns exec "$rx" "${sched[@]}" "$heptap" collect -tcp 127.0.0.1:9060 -o /dev/null 2>/dev/null &
	pids+=($!)
	sleep 0.5
fi
ip netns exec "$rx" "${sched[@]}" "$heptap" "${run[@]}" >/dev/null 2>"$tmp/probe.err" &
probe=$!
pids+=("$probe")
for _ in $(seq 100); do
	if grep -q msg=capturing "$tmp/probe.err" || ! kill -0 "$probe"; then break; fi
	sleep 0.1
done

# resident: MiB of each, of all, and the most so far.
resident() {
	awk -v hwm="$(awk '/^VmHWM/ {print $2}' "/proc/$probe/status")" '
		/^[0-9a-f]+-[0-9a-f]+ / { ring = /socket:/; file = !ring && $5 > 0 }
		/^Rss:/ { all += $2; if (ring) r += $2; if (file) f += $2 }
		END { printf "ring %.1f, program %.1f, heap and rest %.1f, resident %.1f, at most %.1f\n",
			r/1024, f/1024, (all-r-f)/1024, all/1024, hwm/1024 }' "/proc/$probe/smaps"
}

echo "MiB idle:     $(resident)"
ip netns exec "$tx" "${sched[@]}" "$tmp/gen" -i mem0 -m mix -n "$calls" -t "$each" -r "$rate" >"$tmp/gen.out" &
gen=$!
for s in $(seq 10 10 "$each"); do
	sleep 10
	echo "MiB at $s s:  $(resident)"
done
wait "$gen"
cat "$tmp/gen.out"
sleep 1 # the ring's last block is not full
kill -USR1 "$probe"
sleep 1
grep -E '^(frames_received_total|frames_kernel_drops_total|probe_queue_drops_total|calls|streams|rtp_streams)\b' "$tmp/probe.err" || true
sed -n 's/.*memory budget, at most" /budget: /p' "$tmp/probe.err"
most=$(awk '/^VmHWM/ {print $2}' "/proc/$probe/status")
if [ -n "${MAX_MIB:-}" ] && [ "$most" -gt $((MAX_MIB * 1024)) ]; then
	echo "memory.sh: $((most / 1024)) MiB were resident, more than $MAX_MIB" >&2
	exit 1
fi
