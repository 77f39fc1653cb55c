/*
 * gen: traffic for the benchmarks, as a mirror port would show it: frames to
 * somebody else's MAC address, raw AF_PACKET, sendmmsg of 64, past the qdisc.
 * IPv4 and UDP checksums are right. At the end it prints one line of JSON
 * with exact counts of what the kernel took.
 *
 *   cc -O2 -o gen gen.c
 *   gen -i INTERFACE [-m rtp|sip|mix] [-n CALLS] [-t SECONDS] [-c PACKETS] [-r RATE] [-x PERCENT]
 *
 *   -m rtp  two RTP streams per call, G.711 A-law, 214-octet frames, one
 *           packet of each stream in turn. Nothing else.
 *   -m sip  calls without media, one after the other: INVITE 100 180 200 ACK
 *           BYE 200, with SDP. -n has no meaning.
 *   -m mix  -n calls are set up, then their RTP runs, with an SR and SDES per
 *           stream every 250 packets on the next port, and -x percent
 *           (default 1) SIP of other, short calls; then the calls end. The
 *           addresses and ports in the SDP are those of the RTP.
 *   -n      calls, default 1000, at most 250000
 *   -t      seconds of media (of SIP in sip mode), default 5
 *   -c      stop after so many packets of that phase instead
 *   -r      packets per second, default 0: as fast as it goes
 *
 * Timestamps go up by 160 per packet whatever the rate, so jitter as measured
 * means something only at 50 packets per second and stream: -r 100*CALLS.
 * Needs CAP_NET_RAW. Run it in a network namespace of its own: see run.sh.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 64, FRAME = 1536, HEAD = 14 + 20 + 8, RTCP_EVERY = 250, MAX_CALLS = 250000, MAX_FIELDS = 24 };

struct stream {
	uint32_t src, dst, ssrc, ts, packets;
	uint16_t sport, dport, seq;
	uint32_t sum; /* of pseudo header, UDP and RTP header without seq and ts, and payload */
};

static struct {
	unsigned long long frames, octets, rtp, rtcp, sip, calls, sent_again;
} count;

static volatile sig_atomic_t stop;
static int fd;
static uint8_t frames[BATCH][FRAME];
static struct mmsghdr msgs[BATCH];
static struct iovec iov[BATCH];
static unsigned queued;
static double rate;
static struct timespec began;
static unsigned long long paced;
static uint8_t payload[160];

static void on_signal(int sig) { (void)sig; stop = 1; }

static void die(const char *what)
{
	fprintf(stderr, "gen: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double since(struct timespec from)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - from.tv_sec) + (double)(now.tv_nsec - from.tv_nsec) / 1e9;
}

static void put16(uint8_t *p, uint32_t v) { p[0] = (uint8_t)(v >> 8), p[1] = (uint8_t)v; }
static void put32(uint8_t *p, uint32_t v) { put16(p, v >> 16), put16(p + 2, v & 0xffff); }

/* sum adds up 16-bit words, in network order, as Internet checksums do. */
static uint32_t sum(const uint8_t *p, size_t n, uint64_t s)
{
	uint16_t w;
	uint64_t host = 0;
	for (; n >= 2; p += 2, n -= 2) {
		memcpy(&w, p, 2);
		host += w;
	}
	while (host >> 16)
		host = (host & 0xffff) + (host >> 16);
	s += ntohs((uint16_t)host);
	if (n)
		s += (uint32_t)*p << 8;
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return (uint32_t)s;
}

static uint16_t fold(uint32_t s)
{
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return (uint16_t)~s;
}

static uint16_t udp_checksum(uint32_t s)
{
	uint16_t c = fold(s);
	return c ? c : 0xffff;
}

/* flush sends what is queued: all of it, in order. */
static void flush(void)
{
	for (unsigned done = 0; done < queued;) {
		int n = sendmmsg(fd, msgs + done, queued - done, 0);
		if (n < 0) {
			if (errno != ENOBUFS && errno != EAGAIN && errno != EINTR)
				die("sendmmsg");
			count.sent_again++;
			sched_yield();
			continue;
		}
		for (int i = 0; i < n; i++)
			count.octets += iov[done + (unsigned)i].iov_len;
		count.frames += (unsigned)n;
		done += (unsigned)n;
	}
	paced += queued;
	queued = 0;
	if (rate > 0) {
		double ahead = (double)paced / rate - since(began);
		if (ahead > 0.00005) {
			struct timespec ts = {(time_t)ahead, (long)((ahead - (double)(time_t)ahead) * 1e9)};
			nanosleep(&ts, NULL);
		}
	}
}

/* next returns the frame to fill; queue takes it with n octets of UDP payload. */
static uint8_t *next(void) { return frames[queued]; }

static void queue(uint32_t src, uint32_t dst, uint16_t sport, uint16_t dport, uint16_t id, size_t n, uint32_t udp_sum)
{
	uint8_t *f = frames[queued], *ip = f + 14, *udp = ip + 20;
	put16(ip + 2, (uint32_t)(28 + n));
	put16(ip + 4, id);
	put16(ip + 10, 0);
	put32(ip + 12, src);
	put32(ip + 16, dst);
	put16(ip + 10, fold(sum(ip, 20, 0)));
	put16(udp, sport);
	put16(udp + 2, dport);
	put16(udp + 4, (uint32_t)(8 + n));
	put16(udp + 6, udp_checksum(udp_sum));
	iov[queued].iov_len = HEAD + n;
	if (++queued == BATCH)
		flush();
}

/* pseudo is the part of a UDP checksum that is not the payload. */
static uint32_t pseudo(uint32_t src, uint32_t dst, uint16_t sport, uint16_t dport, size_t n)
{
	uint32_t s = (src >> 16) + (src & 0xffff) + (dst >> 16) + (dst & 0xffff);
	return s + 17 + (uint32_t)sport + dport + 2 * (uint32_t)(8 + n);
}

static void whole(uint32_t src, uint32_t dst, uint16_t sport, uint16_t dport, uint16_t id, size_t n)
{
	queue(src, dst, sport, dport, id, n, sum(frames[queued] + HEAD, n, pseudo(src, dst, sport, dport, n)));
}

/*
 * Addresses and ports of call k. Their decimal forms have one width, so that
 * they can be put into a message in place: 10.1.1xx.1yy, 10.2.1xx.1yy, five
 * digits of port.
 */
static uint32_t host(unsigned side, unsigned long long k)
{
	return 10u << 24 | side << 16 | (uint32_t)(100 + k / 100 % 100) << 8 | (uint32_t)(100 + k % 100);
}

static uint16_t media_port(unsigned long long k) { return (uint16_t)(10000 + 2 * (k / 10000 % 25000)); }

static void stream_init(struct stream *s, unsigned long long call, unsigned side)
{
	uint8_t h[12] = {0x80, 8};
	s->src = host(side, call);
	s->dst = host(3 - side, call);
	s->sport = s->dport = media_port(call);
	s->ssrc = (uint32_t)(call * 2 + side) * 2654435761u;
	s->seq = (uint16_t)(s->ssrc >> 7);
	s->ts = s->ssrc * 31;
	put32(h + 8, s->ssrc);
	s->sum = sum(h, sizeof h, pseudo(s->src, s->dst, s->sport, s->dport, sizeof h + sizeof payload));
	s->sum = sum(payload, sizeof payload, s->sum);
}

static void send_rtp(struct stream *s)
{
	uint8_t *r = next() + HEAD;
	r[0] = 0x80;
	r[1] = 8;
	put16(r + 2, s->seq);
	put32(r + 4, s->ts);
	put32(r + 8, s->ssrc);
	memcpy(r + 12, payload, sizeof payload);
	queue(s->src, s->dst, s->sport, s->dport, s->seq, 12 + sizeof payload,
	      s->sum + s->seq + (s->ts >> 16) + (s->ts & 0xffff));
	s->seq++;
	s->ts += 160;
	s->packets++;
	count.rtp++;
}

/* send_rtcp sends a sender report and a CNAME (RFC 3550 6.4.1, 6.5). */
static void send_rtcp(struct stream *s)
{
	static const char cname[] = "gen@heptap.invalid";
	uint8_t *r = next() + HEAD;
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	memset(r, 0, 28 + 8 + 24);
	r[0] = 0x80, r[1] = 200;
	put16(r + 2, 6);
	put32(r + 4, s->ssrc);
	put32(r + 8, (uint32_t)((uint64_t)now.tv_sec + 2208988800u));
	put32(r + 12, (uint32_t)((uint64_t)now.tv_nsec * 4294967296u / 1000000000u));
	put32(r + 16, s->ts);
	put32(r + 20, s->packets);
	put32(r + 24, s->packets * (uint32_t)sizeof payload);
	r[28] = 0x81, r[29] = 202;
	put16(r + 30, 7 - 1);
	put32(r + 32, s->ssrc);
	r[36] = 1, r[37] = sizeof cname - 1;
	memcpy(r + 38, cname, sizeof cname - 1);
	whole(s->src, s->dst, (uint16_t)(s->sport + 1), (uint16_t)(s->dport + 1), (uint16_t)s->packets, 28 + 28);
	count.rtcp++;
}

/*
 * SIP messages are made once, with placeholders of the width of what goes
 * there: ################ the call's number in hex, ~~~~~ the media port,
 * AAAAAAAAAAAA and BBBBBBBBBBBB the two addresses.
 */
struct template {
	char text[1400];
	size_t len;
	int from_caller;
	struct { uint16_t at; char what; } field[MAX_FIELDS];
	int fields;
};

static struct template dialog[7];
enum { INVITE, TRYING, RINGING, OK, ACK, BYE, BYE_OK };

static const char COMMON[] =
	"Via: SIP/2.0/UDP AAAAAAAAAAAA:5060;branch=z9hG4bK%s################;rport\r\n"
	"Via: SIP/2.0/UDP edge.heptap.invalid:5060;branch=z9hG4bKe%s################;received=192.0.2.200\r\n"
	"Max-Forwards: 69\r\n"
	"Record-Route: <sip:edge.heptap.invalid;lr;ftag=f################>\r\n"
	"From: \"Generator Caller\" <sip:+498912345678@AAAAAAAAAAAA;user=phone>;tag=f################\r\n"
	"To: <sip:+493098765432@BBBBBBBBBBBB;user=phone>%s\r\n"
	"Call-ID: ################@AAAAAAAAAAAA\r\n"
	"CSeq: %s\r\n"
	"Contact: <sip:gen@%s:5060;transport=udp>\r\n"
	"User-Agent: heptap-gen/1.0\r\n"
	"Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE\r\n"
	"Supported: 100rel, timer, replaces\r\n";

static void template_init(struct template *t, const char *start, const char *branch, const char *to_tag,
			  const char *cseq, int from_caller, const char *sdp_host)
{
	char sdp[400] = "", head[1000];
	if (sdp_host)
		snprintf(sdp, sizeof sdp,
			 "v=0\r\no=gen 1 1 IN IP4 %s\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\nm=audio ~~~~~ RTP/AVP 8 101\r\n"
			 "a=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=ptime:20\r\na=sendrecv\r\n",
			 sdp_host, sdp_host);
	snprintf(head, sizeof head, COMMON, branch, branch, to_tag, cseq, from_caller ? "AAAAAAAAAAAA" : "BBBBBBBBBBBB");
	int n = snprintf(t->text, sizeof t->text, "%s\r\n%s%sContent-Length: %zu\r\n\r\n%s", start, head,
			 sdp_host ? "Content-Type: application/sdp\r\n" : "", strlen(sdp), sdp);
	if (n < 0 || (size_t)n >= sizeof t->text) {
		fprintf(stderr, "gen: message too long\n");
		exit(1);
	}
	t->len = (size_t)n;
	t->from_caller = from_caller;
	for (size_t i = 0; i < t->len;) {
		static const struct { const char *mark; char what; } marks[] = {
			{"################", '#'}, {"~~~~~", '~'}, {"AAAAAAAAAAAA", 'A'}, {"BBBBBBBBBBBB", 'B'}};
		size_t step = 1;
		for (unsigned m = 0; m < 4; m++) {
			size_t w = strlen(marks[m].mark);
			if (strncmp(t->text + i, marks[m].mark, w) != 0)
				continue;
			if (t->fields == MAX_FIELDS) {
				fprintf(stderr, "gen: too many fields\n");
				exit(1);
			}
			t->field[t->fields].at = (uint16_t)i;
			t->field[t->fields++].what = marks[m].what;
			step = w;
			break;
		}
		i += step;
	}
}

static void dialog_init(void)
{
	static const char tag[] = ";tag=t################";
	template_init(&dialog[INVITE], "INVITE sip:+493098765432@BBBBBBBBBBBB;user=phone SIP/2.0", "i", "", "1 INVITE", 1, "AAAAAAAAAAAA");
	template_init(&dialog[TRYING], "SIP/2.0 100 Trying", "i", "", "1 INVITE", 0, NULL);
	template_init(&dialog[RINGING], "SIP/2.0 180 Ringing", "i", tag, "1 INVITE", 0, NULL);
	template_init(&dialog[OK], "SIP/2.0 200 OK", "i", tag, "1 INVITE", 0, "BBBBBBBBBBBB");
	template_init(&dialog[ACK], "ACK sip:gen@BBBBBBBBBBBB:5060 SIP/2.0", "a", tag, "1 ACK", 1, NULL);
	template_init(&dialog[BYE], "BYE sip:gen@BBBBBBBBBBBB:5060 SIP/2.0", "b", tag, "2 BYE", 1, NULL);
	template_init(&dialog[BYE_OK], "SIP/2.0 200 OK", "b", tag, "2 BYE", 0, NULL);
}

static void decimal(char *p, unsigned v, int digits)
{
	for (; digits > 0; v /= 10)
		p[--digits] = (char)('0' + v % 10);
}

static void address(char *p, unsigned side, unsigned long long k)
{
	memcpy(p, side == 1 ? "10.1.1" : "10.2.1", 6);
	decimal(p + 6, (unsigned)(k / 100 % 100), 2);
	/* "10.1.1xx.1yy" is as wide as its placeholder. */
	memcpy(p + 8, ".1", 2);
	decimal(p + 10, (unsigned)(k % 100), 2);
}

static void send_sip(int step, unsigned long long k)
{
	const struct template *t = &dialog[step];
	char *m = (char *)next() + HEAD;
	char hex[17];
	for (int i = 0; i < 16; i++)
		hex[i] = "0123456789abcdef"[k >> (60 - 4 * i) & 15];
	memcpy(m, t->text, t->len);
	for (int i = 0; i < t->fields; i++) {
		char *at = m + t->field[i].at;
		switch (t->field[i].what) {
		case '#': memcpy(at, hex, 16); break;
		case '~': decimal(at, media_port(k), 5); break;
		case 'A': address(at, 1, k); break;
		case 'B': address(at, 2, k); break;
		}
	}
	unsigned from = t->from_caller ? 1 : 2;
	whole(host(from, k), host(3 - from, k), 5060, 5060, (uint16_t)(count.sip + 1), t->len);
	count.sip++;
	if (step == INVITE)
		count.calls++;
}

static void open_socket(const char *name)
{
	int one = 1;
	struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(name)};
	if (to.sll_ifindex == 0)
		die(name);
	if ((fd = socket(AF_PACKET, SOCK_RAW, 0)) < 0)
		die("socket");
	if (setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof one) < 0)
		die("PACKET_QDISC_BYPASS");
	if (bind(fd, (struct sockaddr *)&to, sizeof to) < 0)
		die("bind");
	for (unsigned i = 0; i < BATCH; i++) {
		static const uint8_t head[34] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0xb8, 0, 0, 0, 0, 0x40, 0, 64, 17};
		memcpy(frames[i], head, sizeof head);
		iov[i].iov_base = frames[i];
		msgs[i].msg_hdr.msg_iov = &iov[i];
		msgs[i].msg_hdr.msg_iovlen = 1;
	}
}

/* more reports whether the phase that has sent n packets goes on. */
static int more(double seconds, unsigned long long limit, unsigned long long n)
{
	static unsigned calls;
	if (stop || (limit && n >= limit))
		return 0;
	return limit || calls++ % BATCH || since(began) < seconds;
}

int main(int argc, char **argv)
{
	const char *name = NULL, *mode = "rtp";
	unsigned long long calls = 1000, limit = 0, n = 0, short_call = MAX_CALLS, packets;
	double seconds = 5, percent = 1, elapsed;
	int opt, step = 0;

	while ((opt = getopt(argc, argv, "i:m:n:t:c:r:x:")) != -1) {
		switch (opt) {
		case 'i': name = optarg; break;
		case 'm': mode = optarg; break;
		case 'n': calls = strtoull(optarg, NULL, 10); break;
		case 't': seconds = atof(optarg); break;
		case 'c': limit = strtoull(optarg, NULL, 10); break;
		case 'r': rate = atof(optarg); break;
		case 'x': percent = atof(optarg); break;
		default: name = NULL; optind = argc; break;
		}
	}
	int sip = strcmp(mode, "sip") == 0, mix = strcmp(mode, "mix") == 0;
	if (!name || optind != argc || (!sip && !mix && strcmp(mode, "rtp") != 0) || calls < 1 || calls > MAX_CALLS) {
		fprintf(stderr, "usage: gen -i INTERFACE [-m rtp|sip|mix] [-n CALLS] [-t SECONDS] [-c PACKETS] [-r RATE] [-x PERCENT]\n");
		return 2;
	}
	struct sigaction act = {.sa_handler = on_signal};
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	for (unsigned i = 0; i < sizeof payload; i++)
		payload[i] = (uint8_t)(0xd5 ^ i * 7);
	struct stream *streams = calloc(2 * calls, sizeof *streams);
	if (!streams)
		die("streams");
	for (unsigned long long k = 0; k < 2 * calls; k++)
		stream_init(&streams[k], k / 2, 1 + (unsigned)(k & 1));
	dialog_init();
	open_socket(name);
	clock_gettime(CLOCK_MONOTONIC, &began);

	for (unsigned long long k = 0; mix && k < calls; k++)
		for (int s = INVITE; s <= ACK; s++)
			send_sip(s, k);
	flush();
	clock_gettime(CLOCK_MONOTONIC, &began);
	paced = 0;
	packets = count.frames;
	double due = 0; /* SIP messages owed, in hundredths of a packet */
	for (unsigned long long k = 0; more(seconds, limit, n); n++) {
		if (sip || (mix && (due += percent) >= 100)) {
			due -= sip ? 0 : 100;
			send_sip(step, short_call);
			if (++step > BYE_OK)
				step = 0, short_call++;
			continue;
		}
		struct stream *s = &streams[k];
		send_rtp(s);
		if (mix && s->packets % RTCP_EVERY == 0)
			send_rtcp(s), n++;
		if (++k == 2 * calls)
			k = 0;
	}
	while (step > 0 && step <= BYE_OK) /* the short call that is not over */
		send_sip(step++, short_call);
	flush();
	elapsed = since(began);
	packets = count.frames - packets;
	for (unsigned long long k = 0; mix && k < calls; k++)
		send_sip(BYE, k), send_sip(BYE_OK, k);
	flush();
	printf("{\"mode\":\"%s\",\"frames\":%llu,\"octets\":%llu,\"rtp\":%llu,\"rtcp\":%llu,\"sip\":%llu,\"calls\":%llu,"
	       "\"streams\":%llu,\"seconds\":%.3f,\"pps\":%.0f,\"sent_again\":%llu}\n",
	       mode, count.frames, count.octets, count.rtp, count.rtcp, count.sip, count.calls, sip ? 0 : 2 * calls,
	       elapsed, (double)packets / elapsed, count.sent_again);
	return 0;
}
