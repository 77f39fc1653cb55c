// Package httpwire frames HTTP/1.1 (RFC 9112) in one direction of a stream and
// gives views of its heads. It knows nothing of what bodies mean: that is for
// websocket, and later rest and mi, which share it. It does not judge
// conformance and does not allocate: views are sub-slices of the octets they
// were made from, valid as long as those are, and read-only.
//
//	head    request:  method SP request-target SP "HTTP/1." DIGIT
//	        response: "HTTP/1." DIGIT SP 3DIGIT [ SP reason ]
//	        field lines, folded ones included (RFC 9112 5.2), to the empty line
//	body    none, Content-Length octets, chunks, or to the end (6.3)
//
// A Reader walks: head, body or chunk framing, next head. Which body a response
// has depends on its request (HEAD and CONNECT): a Pipeline remembers those of
// up to 32 requests that are waiting for their response (9.3.2).
//
// # States of a Reader
//
//	start --head--> (caller says Begin) --none--------------> start
//	                                    --length-------------> start
//	                                    --chunks, trailers---> start
//	                                    --to the end, tunnel-> (never ends)
//	any but a length or a chunk with room for the gap --gap--> lost
//	lost --an HTTP start line at the front of new octets-----> start
//
// # Limits
//
// A head has at most MaxHead octets, trailers as well, and a chunk's size line
// 4 KiB: beyond that the stream is Bad. Lines may end in LF alone. Contradicting
// or senseless Content-Lengths, and a request whose last transfer coding is not
// chunked, leave no way to tell where the message ends (6.3): it then lasts to
// the end of the stream.
package httpwire
