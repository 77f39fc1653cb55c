// Package sip recognises SIP messages (RFC 3261), cuts streams into them and
// gives views of what the probe reads in them. It does not judge conformance
// and does not allocate: every view is a sub-slice of the message, valid as
// long as the message is, and read-only. The one state is a Framer's, 32
// octets for each direction of a stream.
//
//	start line    request: Method SP Request-URI SP "SIP/2.0"
//	              response: "SIP/2.0" SP 3DIGIT SP Reason-Phrase
//	header        Name ":" value, folded lines begin with SP or HT (7.3.1)
//	...
//	empty line
//	body          Content-Length octets, else the rest of the datagram (18.3)
//
// A probe must show broken messages too, so the package is liberal where a
// user agent must not be: lines may end in LF alone, spaces may be repeated or
// trail in the start line, headers may be missing, senseless or repeated (the
// first one counts). Not SIP are a start line with another version, with a
// status of other than three digits, or with a NUL in it.
//
// # Streams
//
// A Framer says where messages end on TCP and the like (18.3):
//
//	fresh --start line--> headers --empty line--> body --last octet--> between
//	  |                      ^                      |                    |  ^
//	  | anything else        +---------start line---|--------------------+  |
//	  v                                             | gap           other   |
//	not SIP                 start line at the       v                  |    |
//	                        beginning of a line    lost <--------------+    |
//	                        and proof: headers -----^ a gap that ends inside the body
//
// The body has Content-Length octets. Without one, or with one that is no
// number from 0 to 2^30, there is none if there is no Content-Type either (20.15);
// else it ends where the next message begins or where the stream ends, and only
// then is the message given. Of several Content-Lengths the first that makes
// sense counts; when it is wrong the endpoints lose step as well. A message has
// at most MaxMessage octets: a longer one is given cut, and the rest skipped by its
// Content-Length, or searched through when not even the headers ended. Between
// messages CRLFs (RFC 5626 4.4.1), NULs and spaces are keep-alives.
//
// When the place in the stream is lost, after a gap, garbage or in the middle of a
// connection, the next message is a start line at the beginning of a line, with
// headers that hold Call-ID and CSeq. The first octet after a gap may be the
// beginning of a line, but also the middle of a method: there the CSeq has to
// name the same method. So a Via, a status line in a sipfrag (RFC 3420), a quoted
// start line or the end of another method are not taken for a message. What fools
// it: a whole message quoted at the beginning of a line in a body (message/sip, a
// sipfrag with Call-ID and CSeq), when the headers around it are lost or have no
// Content-Length. What it misses: a message behind garbage that does not end with
// its line, or one without Call-ID or CSeq.
package sip
