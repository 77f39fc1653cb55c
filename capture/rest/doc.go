// Package rest follows the HTTP/1.1 exchanges of a connection that was seen, not
// taken part in: which reply belongs to which request, how long it took, and
// what both said, secrets masked. Framing is httpwire's.
//
// A Conn takes the octets of both directions as they come, an Exchange goes to
// the connection's Handler: Request once, then Reply or Failed once.
//
//	following --101, or 2xx to CONNECT--------------> Upgraded, Tunnel
//	   |  the octets behind that head are not consumed
//	   +------no HTTP where it has to begin---------> NotHTTP
//
// # Which reply is whose
//
// Replies come in the order of the requests (RFC 9112 9.3.2), interim ones (1xx)
// aside. What a mirror does to that:
//
//   - A reply that is seen before its request waits for it, up to 256 do. What the reply's
//     segment acknowledges (RFC 9293 3.4) tells whether it is the reply to that: its
//     sender had got the beginning of the request. Where that is not known the times tell: a
//     request does not begin after its reply, give or take Skew, or Overtaking when there is
//     nothing else that it could be the reply to. Others are orphans, as is the first
//     reply of a connection that was there before we looked.
//   - Where octets of the replies are missing, what was asked in between was
//     answered in the gap: the next reply belongs to the request whose end it
//     acknowledges, or else to the latest before it. That is only so where requests wait for
//     replies. Once a connection was
//     seen to pipeline, nothing behind a gap is paired any more, and fails as Gap, until
//     it was silent for a second. Requests are told all the same.
//   - A request that was given up (Timeout) keeps its place: a late reply is its,
//     and counted.
//
// # Text
//
// First lines, targets, chosen fields and bodies are masked before they are
// kept, then cut. A body is decoded (gzip, deflate, br) as far as its first
// BodyBytes octets on the wire go, to at most BodyBytes. Octets that are no text
// are not kept.
//
// # Bounds
//
// A Conn is 400 octets, 32 for each request and 40 for each reply that waited at once so far. It
// follows up to 16 exchanges at once; requests beyond are counted and not told,
// but keep their place in line, up to 256. Then the oldest goes. An Exchange holds 2 x (4 KiB +
// BodyBytes) octets of text. A Parser makes no more than MaxExchanges, keeps
// them for the next ones, and shares one decompressor of each kind (about 64 KiB,
// brotli 600 KiB) and one buffer among all its connections. All of it is one
// goroutine's.
package rest
