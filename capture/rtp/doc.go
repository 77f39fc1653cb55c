// Package rtp reads RTP headers (RFC 3550 5.1) in place and knows the static
// payload types of RFC 3551. It keeps no state and copies nothing.
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|V=2|P|X|  CC   |M|     PT      |       sequence number         |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                           timestamp                           |
//	|                             SSRC                              |
//	|                     CSRC, CC times (0-15)                     |
//	|  extension, when X: profile (16 bits), length in words (16)   |
//	|                           payload                             |
//	|                     padding, when P; its last octet counts it |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
package rtp
