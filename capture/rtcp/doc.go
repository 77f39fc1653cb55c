// Package rtcp reads RTCP: compound packets of RFC 3550 section 6, extended
// reports (RFC 3611), feedback (RFC 4585) and reduced-size packets (RFC 5506),
// and writes them as the JSON that HEP collectors understand. It keeps no
// state and does not allocate; everything it returns points into the datagram.
//
//	 0                   1                   2                   3
//	|V=2|P| RC/SC/FMT |      PT       |   length in words, less one   |
//	|                        SSRC of the sender                       |
//	|  SR: NTP seconds, NTP fraction, RTP time, packets, octets       |
//	|  SR, RR: RC report blocks of 6 words, profile extensions        |
//
// A datagram holds several such packets. Split cuts it into parts that each
// begin with a sender or receiver report, because collectors store one report
// per record; AppendJSON writes one part.
//
// SRTCP (RFC 3711) leaves the first header and SSRC in clear and encrypts the
// rest: Encrypted recognises it so that nobody reads ciphertext as a report.
package rtcp
