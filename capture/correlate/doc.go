// Package correlate is the heart of the probe: it knows calls, follows their
// media from SDP, and gives every message and report its primary id and its
// links to others.
//
// It has one caller, one goroutine, and no clock of its own: time is what the
// messages and Advance say. The same input gives the same records.
//
// What it remembers:
//
//	calls      Call-ID -> call, from the first INVITE (or the first SDP of a
//	           call picked up in the middle) to its end and a short linger
//	endpoints  address and port -> the calls that advertised it in SDP
//	streams    what the ring workers count, as far as they told us: an RTP
//	           stream is linked to the calls that advertised where it goes to
//	           (or, less surely, where it comes from)
//
// Each has a cap, an expiry and counters (Stats). At the cap a call makes room
// that has ended, or else the oldest that was never answered, or else one of the
// longest established that shows no sign of life; if there is none, the new call
// is not followed: its messages are forwarded all the same, only its media stay
// unlinked. A stream that is neither confirmed nor linked takes no room, and one
// whose last snapshot was lost goes after streamTimeout.
//
// A call's life:
//
//	setup        INVITE seen              forgotten after SetupTimeout
//	established  2xx to the INVITE        forgotten after Config.CallIdle without
//	                                      signalling and media
//	ended        BYE of its last dialog,
//	             or the last branch's
//	             final refusal            its reports are made Linger later, so
//	                                      that the last counts of its streams
//	                                      have arrived, or when those of another
//	                                      leg are that ended within Linger; then
//	                                      it is forgotten
//
// A call of which no SIP is seen, because that is encrypted, may be known from
// what its media proxy is told (Control): it is set up by an offer, established
// by an answer and ended when the proxy is told to forget it. The first SIP that is seen
// of it takes over.
//
// A place is an address and port in a tunnel (capture.FiveTuple.Tunnel). What is
// not found in the flow's own is looked for outside of any and in others, and
// taken if it is in one of these places only.
//
// An endpoint may belong to several calls at once: the legs of a B2BUA that
// passes the SDP on. A stream is then linked to all of them, up to maxLegs; more
// are strangers on a shared port, and nothing is linked. A call that
// advertised the same address long before is taken for a stale one whose BYE
// we did not see, and not linked.
//
// Queries and legs of calls that no id links to a call are linked by what package infer
// finds (Config.Infer, Note.Ask), in records of their own: the record of a query is
// made at once. A host is told of as long as it is sent requests and does not only
// register, as phones do. What other agents saw is not told: their clocks are others.
//
// What is seen here of a mirror port (Evidence) is judged by capture/mirror: loss
// that a stream's receiver did not have (RFC 3550 6.4.1), loss in all streams at
// once, calls that show no media, media of no call. A stream is compared with the
// reports of one receiver, and not at all when it is seen in parts. A call that
// shows no media 8 s after its answer is silent, unless it is on hold, or
// streams of no known call may be its own.
package correlate
