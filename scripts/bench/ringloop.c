/*
 * ringloop: the least a program can do that reads a mirror port and keeps RTP
 * statistics. It is the yardstick for the probe: CPU time per packet.
 *
 * AF_PACKET, TPACKET_V3, 64 blocks of 1 MiB, retired after 20 ms. It walks
 * every packet (Ethernet, VLAN tags, IPv4, UDP), takes for RTP what has
 * version 2, no payload type of RTCP and ports from 1024, and keeps per stream (addresses, ports,
 * SSRC; open addressing): packets, octets, highest sequence number with
 * cycles, expected and lost (RFC 3550 A.3), late or duplicate ones, and jitter
 * (A.8, clock 8000).
 *
 *   cc -O2 -o ringloop ringloop.c
 *   ringloop INTERFACE [SECONDS]
 *
 * Without SECONDS, or with 0, it runs until SIGINT or SIGTERM. When the ring
 * is open it prints "ready" to standard error, at the end one line of JSON to
 * standard output: user_ns and system_ns are per packet, drops are the
 * kernel's. Needs CAP_NET_RAW.
 *
 * run.sh beside this file runs it against gen.c, alone or in turn with the
 * probe:
 *
 *   scripts/bench/run.sh                                   the C loop
 *   PROBE_CMD='heptap run ...' scripts/bench/run.sh        and the ratio
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BLOCKS = 64, BLOCK = 1 << 20, FRAME = 2048, RETIRE_MS = 20, SLOTS = 1 << 19 };

struct stream {
	uint32_t src, dst, ports, ssrc;
	uint64_t packets, octets;
	uint32_t base, highest, late; /* base and highest with cycles */
	uint32_t ts;
	int64_t arrival, jitter; /* ns */
};

static struct stream *streams;
static uint64_t nstreams, rtp, full;
static volatile sig_atomic_t stop;

static void on_signal(int sig) { (void)sig; stop = 1; }

static void die(const char *what)
{
	fprintf(stderr, "ringloop: %s: %s\n", what, strerror(errno));
	exit(1);
}

static inline uint16_t get16(const uint8_t *p) { return (uint16_t)(p[0] << 8 | p[1]); }

static inline uint32_t get32(const uint8_t *p)
{
	uint32_t v;
	memcpy(&v, p, 4);
	return ntohl(v);
}

static struct stream *find(uint32_t src, uint32_t dst, uint32_t ports, uint32_t ssrc)
{
	uint64_t h = ((uint64_t)src << 32 | dst) * 0x9e3779b97f4a7c15u;
	h = (h ^ h >> 29 ^ ((uint64_t)ports << 32 | ssrc)) * 0xbf58476d1ce4e5b9u;
	uint32_t i = (uint32_t)(h >> 45);
	for (int n = 0; n < 64; i++, n++) {
		struct stream *s = &streams[i & (SLOTS - 1)];
		if (s->packets == 0) {
			s->src = src, s->dst = dst, s->ports = ports, s->ssrc = ssrc;
			nstreams++;
			return s;
		}
		if (s->ssrc == ssrc && s->ports == ports && s->src == src && s->dst == dst)
			return s;
	}
	return NULL;
}

static void count(struct stream *s, uint16_t seq, uint32_t ts, uint32_t len, int64_t now)
{
	if (s->packets == 0) {
		s->base = s->highest = 65536u + seq;
	} else {
		int16_t step = (int16_t)(seq - (uint16_t)s->highest);
		if (step > 0)
			s->highest += (uint16_t)step;
		else
			s->late++;
		if (ts != s->ts) {
			int64_t d = now - s->arrival - (int64_t)(int32_t)(ts - s->ts) * 125000;
			if (d < 0)
				d = -d;
			s->jitter += (d - s->jitter) >> 4;
		}
	}
	s->ts = ts;
	s->arrival = now;
	s->packets++;
	s->octets += len;
}

static inline void packet(const uint8_t *p, uint32_t len, int64_t now)
{
	const uint8_t *end = p + len;
	uint32_t off = 12;
	while (off + 6 <= len && (get16(p + off) == 0x8100 || get16(p + off) == 0x88a8))
		off += 4;
	if (off + 2 + 20 + 8 + 12 > len || get16(p + off) != 0x0800)
		return;
	const uint8_t *ip = p + off + 2;
	if ((ip[0] >> 4) != 4 || ip[9] != 17 || (get16(ip + 6) & 0x3fff) != 0)
		return;
	const uint8_t *udp = ip + 4 * (ip[0] & 15), *r = udp + 8;
	if (r + 12 > end || (r[0] >> 6) != 2 || (r[1] & 0x60) == 0x40)
		return;
	uint32_t ports = get32(udp);
	if ((ports >> 16) < 1024 || (ports & 0xffff) < 1024)
		return;
	uint32_t head = 12 + 4 * (uint32_t)(r[0] & 15), body = get16(udp + 4) - 8u;
	struct stream *s = find(get32(ip + 12), get32(ip + 16), ports, get32(r + 8));
	if (s == NULL) {
		full++;
		return;
	}
	rtp++;
	count(s, get16(r + 2), get32(r + 4), body > head ? body - head : 0, now);
}

static uint8_t *open_ring(const char *name, int *fd)
{
	int version = TPACKET_V3;
	struct tpacket_req3 req = {
		.tp_block_size = BLOCK, .tp_block_nr = BLOCKS,
		.tp_frame_size = FRAME, .tp_frame_nr = BLOCKS * (BLOCK / FRAME),
		.tp_retire_blk_tov = RETIRE_MS,
	};
	struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	struct packet_mreq promisc = {.mr_type = PACKET_MR_PROMISC};

	to.sll_ifindex = promisc.mr_ifindex = (int)if_nametoindex(name);
	if (to.sll_ifindex == 0)
		die(name);
	/* Protocol 0: nothing arrives before bind says from where. */
	if ((*fd = socket(AF_PACKET, SOCK_RAW, 0)) < 0)
		die("socket");
	if (setsockopt(*fd, SOL_PACKET, PACKET_VERSION, &version, sizeof version) < 0)
		die("PACKET_VERSION");
	if (setsockopt(*fd, SOL_PACKET, PACKET_RX_RING, &req, sizeof req) < 0)
		die("PACKET_RX_RING");
	uint8_t *ring = mmap(NULL, (size_t)BLOCKS * BLOCK, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, *fd, 0);
	if (ring == MAP_FAILED)
		die("mmap");
	if (setsockopt(*fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promisc, sizeof promisc) < 0)
		die("PACKET_ADD_MEMBERSHIP");
	if (bind(*fd, (struct sockaddr *)&to, sizeof to) < 0)
		die("bind");
	return ring;
}

static uint64_t walk(struct tpacket_block_desc *b)
{
	uint32_t n = b->hdr.bh1.num_pkts;
	struct tpacket3_hdr *h = (void *)((uint8_t *)b + b->hdr.bh1.offset_to_first_pkt);
	for (uint32_t i = 0; i < n; i++) {
		packet((uint8_t *)h + h->tp_mac, h->tp_snaplen, (int64_t)h->tp_sec * 1000000000 + h->tp_nsec);
		h = (void *)((uint8_t *)h + h->tp_next_offset);
	}
	return n;
}

static double nanoseconds(struct timeval a, struct timeval b)
{
	return (double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_usec - a.tv_usec) * 1e3;
}

static void report(int fd, uint64_t packets, struct rusage *from)
{
	struct tpacket_stats_v3 st;
	struct rusage to;
	socklen_t len = sizeof st;
	uint64_t expected = 0, late = 0, counted = 0;
	double jitter = 0;

	getrusage(RUSAGE_SELF, &to);
	if (getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &st, &len) < 0)
		die("PACKET_STATISTICS");
	for (uint32_t i = 0; i < SLOTS; i++) {
		struct stream *s = &streams[i];
		if (s->packets == 0)
			continue;
		expected += s->highest - s->base + 1;
		counted += s->packets;
		late += s->late;
		jitter += (double)s->jitter;
	}
	double n = packets ? (double)packets : 1;
	printf("{\"packets\":%llu,\"drops\":%u,\"freezes\":%u,\"rtp\":%llu,\"streams\":%llu,\"refused\":%llu,"
	       "\"expected\":%llu,\"lost\":%lld,\"late\":%llu,\"mean_jitter_us\":%.1f,\"user_ns\":%.1f,\"system_ns\":%.1f}\n",
	       (unsigned long long)packets, st.tp_drops, st.tp_freeze_q_cnt, (unsigned long long)rtp,
	       (unsigned long long)nstreams, (unsigned long long)full, (unsigned long long)expected,
	       (long long)(expected - counted), (unsigned long long)late,
	       nstreams ? jitter / (double)nstreams / 1e3 : 0,
	       nanoseconds(from->ru_utime, to.ru_utime) / n, nanoseconds(from->ru_stime, to.ru_stime) / n);
}

int main(int argc, char **argv)
{
	struct rusage from;
	struct timespec now, end = {0};
	int fd, seconds = argc > 2 ? atoi(argv[2]) : 0;
	uint64_t packets = 0;

	if (argc < 2 || argc > 3) {
		fprintf(stderr, "usage: ringloop INTERFACE [SECONDS]\n");
		return 2;
	}
	struct sigaction act = {.sa_handler = on_signal};
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	if ((streams = calloc(SLOTS, sizeof *streams)) == NULL)
		die("streams");
	uint8_t *ring = open_ring(argv[1], &fd);
	fprintf(stderr, "ready\n");
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += seconds;
	getrusage(RUSAGE_SELF, &from);

	for (unsigned i = 0; !stop;) {
		struct tpacket_block_desc *b = (void *)(ring + (size_t)i * BLOCK);
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (seconds > 0 && (now.tv_sec > end.tv_sec || (now.tv_sec == end.tv_sec && now.tv_nsec >= end.tv_nsec)))
			break;
		if ((__atomic_load_n(&b->hdr.bh1.block_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER) == 0) {
			struct pollfd p = {.fd = fd, .events = POLLIN | POLLERR};
			if (poll(&p, 1, 100) < 0 && errno != EINTR)
				die("poll");
			continue;
		}
		packets += walk(b);
		__atomic_store_n(&b->hdr.bh1.block_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
		i = (i + 1) % BLOCKS;
	}
	report(fd, packets, &from);
	return 0;
}
