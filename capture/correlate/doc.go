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
// Each has a cap, an expiry and counters (Stats). At the cap the oldest call
// that was never answered makes room; if there is none, the new call is not
// followed: its messages are forwarded all the same, only its media stay
// unlinked.
//
// A call's life:
//
//	setup        INVITE seen              forgotten after SetupTimeout
//	established  2xx to the INVITE        forgotten after Config.CallIdle without
//	                                      signalling and media
//	ended        BYE, or a final refusal  its reports are made Linger later, so
//	                                      that the last counts of its streams
//	                                      have arrived; then it is forgotten
//
// An endpoint may belong to several calls at once: the legs of a B2BUA that
// passes the SDP on. A stream is then linked to all of them. A call that
// advertised the same address long before is taken for a stale one whose BYE
// we did not see, and not linked.
package correlate
