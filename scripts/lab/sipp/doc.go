// Package sipp makes calls with sipp (Debian package sip-tester): one host
// calls, the other answers, and both play a recording at each other. The
// recordings are made here: PCMA in packets of 20 ms (RFC 3551 4.5.14).
//
// sipp gives each call ports of its own on both sides, four apart, but plays
// the same recording, and so the same SSRC, in every call; it speaks no RTCP.
// It opens the ports of the first call and never reads them; the others are
// nobody's, unless somebody else opens them (see traffic.Phone).
//
// Call and Answer are for calls through a proxy, without media.
package sipp
