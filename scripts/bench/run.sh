#!/usr/bin/env bash
# CPU per packet of a receiver on a mirror port, beside the C ring loop's.
#
#   scripts/bench/run.sh
#   PROBE_CMD='heptap run ... $IFACE' scripts/bench/run.sh
#
# Makes two network namespaces joined by a veth pair, builds gen.c and
# ringloop.c, and sends from the one to the other: to ringloop, and when
# PROBE_CMD is set to that in turn, ROUNDS times each. Both are measured the
# same way, from before the traffic until 1 s after it, over the packets that it
# got: user and kernel time together, by the scheduler's clock
# (/proc/PID/task/*/schedstat). The user's part alone is only sampled by the timer
# tick, in step with which these programs wake: useless; perf record -e cpu-clock
# tells. What counts is the ratio; the figures themselves
# are the machine's. A round in which the ring loop's kernel drops packets says
# so: the machine is too busy, lower RATE. Needs root, iproute2, gcc, taskset.
#
#   PROBE_CMD   command of the other receiver; $IFACE is the interface, and
#               variables are set by putting env before it.
#               It runs in the receiving namespace, on the receiver's core, and
#               is ended by SIGTERM
#   PROBE_COUNT shell command that prints how many packets the other receiver
#               got, run in its namespace after the traffic. Without it that is
#               taken to be what gen sent
#   MODE        rtp (default), sip or mix; CALLS 1000, SECONDS_EACH 5, RATE
#               300000 packets/s (0: as fast as it goes), ROUNDS 3: see gen.c
#   MAX_RATIO   fail when the median ratio is above this
#   SCHED       put before every program, such as 'chrt -f 5' on a busy machine;
#               not for Go programs pinned to one core
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
mode=${MODE:-rtp} calls=${CALLS:-1000} each=${SECONDS_EACH:-5} rate=${RATE:-300000} rounds=${ROUNDS:-3}
read -r -a sched <<<"${SCHED:-}"
export IFACE=bench1

tmp=$(mktemp -d)
tx=bench-tx-$$ rx=bench-rx-$$
receiver=
cleanup() {
	if [ -n "$receiver" ]; then kill "$receiver" 2>/dev/null || true; fi
	ip netns del "$tx" 2>/dev/null || true
	ip netns del "$rx" 2>/dev/null || true
	rm -rf "$tmp"
}
trap cleanup EXIT

${CC:-cc} -O2 -o "$tmp/gen" "$here/gen.c"
${CC:-cc} -O2 -o "$tmp/ringloop" "$here/ringloop.c"

for ns in "$tx" "$rx"; do
	ip netns add "$ns"
	ip netns exec "$ns" sh -c 'echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6' 2>/dev/null || true
done
ip link add bench0 netns "$tx" type veth peer name "$IFACE" netns "$rx"
ip -n "$tx" link set bench0 up
ip -n "$rx" link set "$IFACE" up

# With two cores or more the sender has the first and the receiver the second.
cores=$(nproc)
on_tx=() on_rx=()
if [ "$cores" -ge 2 ]; then
	on_tx=(taskset -c 0) on_rx=(taskset -c 1)
fi

# cpu PID: nanoseconds so far.
cpu() { awk '{s += $1} END {printf "%.0f", s}' "/proc/$1/task"/*/schedstat; }

# ready PID: it has a packet socket.
ready() {
	for _ in $(seq 100); do
		if ! kill -0 "$1" 2>/dev/null; then break; fi
		if [ "$(ip netns exec "$rx" sh -c 'wc -l </proc/net/packet')" -gt 1 ]; then
			sleep 0.5
			return 0
		fi
		sleep 0.1
	done
	echo "run.sh: the receiver has opened no packet socket" >&2
	cat "$tmp/receiver.err" >&2
	return 1
}

# json KEY FILE: the number under KEY.
json() { sed "s/.*\"$1\":\([0-9]*\).*/\1/" "$2"; }

# measure NAME COMMAND...: one round; adds ns per packet to $tmp/NAME.
measure() {
	local name=$1 before after frames
	shift
	ip netns exec "$rx" "${sched[@]}" "${on_rx[@]}" "$@" >"$tmp/receiver.out" 2>"$tmp/receiver.err" &
	receiver=$!
	ready "$receiver"
	before=$(cpu "$receiver")
	ip netns exec "$tx" "${sched[@]}" "${on_tx[@]}" "$tmp/gen" -i bench0 -m "$mode" -n "$calls" -t "$each" -r "$rate" >"$tmp/gen.out"
	sleep 1
	after=$(cpu "$receiver")
	frames=$(json frames "$tmp/gen.out")
	if [ "$name" = probe ] && [ -n "${PROBE_COUNT:-}" ]; then
		frames=$(ip netns exec "$rx" bash -c "$PROBE_COUNT")
	fi
	kill -TERM "$receiver"
	wait "$receiver" || true
	receiver=
	if [ "$name" = ring ]; then
		frames=$(json packets "$tmp/receiver.out")
		if [ "$(json drops "$tmp/receiver.out")" -gt 0 ]; then
			echo "run.sh: the ring was full in this round; lower RATE" >&2
		fi
	fi
	awk -v t=$((after - before)) -v n="$frames" 'BEGIN {printf "%.1f\n", t/n}' | tee -a "$tmp/$name" |
		awk -v name="$name" '{printf "%-6s %s ns/packet\n", name, $1}'
	echo "       gen  $(cat "$tmp/gen.out")"
	echo "       got  $(tail -n 1 "$tmp/receiver.out")"
}

# summary NAME: "median least".
summary() { sort -n "$tmp/$1" | awk '{v[NR]=$1} END {print (v[int((NR+1)/2)] + v[int(NR/2)+1]) / 2, v[1]}'; }

for round in $(seq "$rounds"); do
	echo "round $round of $rounds, mode $mode, $calls calls"
	measure ring "$tmp/ringloop" "$IFACE"
	if [ -n "${PROBE_CMD:-}" ]; then
		measure probe bash -c "exec $PROBE_CMD"
	fi
done

read -r ring_median ring_least < <(summary ring)
echo "ring   ns/packet: median $ring_median, least $ring_least"
if [ -n "${PROBE_CMD:-}" ]; then
	read -r probe_median probe_least < <(summary probe)
	echo "probe  ns/packet: median $probe_median, least $probe_least"
	awk -v a="$probe_median" -v b="$ring_median" -v c="$probe_least" -v d="$ring_least" -v most="${MAX_RATIO:-0}" 'BEGIN {
		if (b <= 0 || d <= 0) { print "run.sh: too short to measure, raise SECONDS_EACH" > "/dev/stderr"; exit 1 }
		printf "ratio  median %.2f, least %.2f\n", a/b, c/d
		if (most > 0 && a/b > most) { printf "run.sh: ratio above %s\n", most > "/dev/stderr"; exit 1 }
	}'
fi
