// Package traffic makes calls between two hosts of a lab and knows exactly
// what it sent: SIP over UDP with SDP (RFC 3261, RFC 3264), RTP in both
// directions with an SSRC of its own each, RTCP (RFC 3550 6.1: SR and SDES
// compounds, with XR of RFC 3611 in every fifth call, and a BYE in the end).
//
// Calls differ in codec (PCMA, PCMU, G.729, Opus), in where RTCP goes (the
// next port, a=rtcp of RFC 3605, rtcp-mux of RFC 5761) and in how they are
// answered (100 and 180 before 200, or 183). The sender of a request sends it
// again when no answer comes in time, and counts that too.
//
// The package also answers the media of others (Phone): it listens on many
// ports, counts the RTP that arrives, and sends receiver reports about it.
package traffic
