// Package tlswire watches TLS handshakes go by: SSL 3.0 and TLS 1.0-1.3 (RFC
// 6101, 2246, 4346, 5246, 8446) on a connection whose octets come in order, in
// both directions. It decrypts nothing and judges what can be seen: versions,
// cipher suite, names, certificates, alerts, how far the handshake came and how
// it failed.
//
//	record            type 1   version 2   length 2   fragment
//	handshake message type 1   length 3    body; in one record or several
//	alert             level 1  description 1
//
// # What is in clear
//
// Up to TLS 1.2 everything is until a side's ChangeCipherSpec. The first
// handshake record after it is the Finished; an alert record is then encrypted,
// and before a FIN it is usually close_notify.
//
// In TLS 1.3 only the hellos are, and alerts sent before there are keys. What
// follows are records of type application_data. There Outcome infers from
// their lengths, and says so in its words:
//
//	Finished          4 + hash + 1 + tag octets: 53, or 69 with SHA-384
//	alert             2 + 1 + tag: 19 (RFC 8446 5.2: content, type, AEAD tag of 16)
//	empty Certificate 8 + 1 + tag: 25; a client that was asked and has none
//
//	the client's first record is an alert, or it closes without any,
//	after the server's flight          -> aborted by the client
//	the server's only record after the client's Finished is an alert,
//	or it closes without any           -> aborted by the server
//	both go on after it                -> established
//	the client goes on alone for long  -> established (syslog, for one)
//	a Finished that was not preceded by a client certificate, and the server
//	goes on                            -> established
//
// Before a connection is closed an alert cannot be told from two octets of
// data, so the first two are said only then. Padding (RFC 8446 5.4) hides all
// of this. With early data offered only lengths that fit exactly count.
//
// A ChangeCipherSpec is meaningless in TLS 1.3 (appendix D.4): after it a
// ClientHello is looked for where a HelloRetryRequest may have been answered,
// and a ServerHello after a HelloRetryRequest.
//
// # Lost octets
//
// Gap skips the rest of a record when its end is known. Otherwise the next
// octets are taken for a record's header if they look like one, and the
// direction is given up if not. Of handshake messages in clear nothing is
// believed after a gap but a hello; alerts are. Info.Incomplete tells. It does too when
// one direction was never shown, and nothing is said of how the handshake ended.
//
// # Limits
//
// A message is put together in a buffer of 20 KiB, one for each direction,
// lent from Buffers only while a message that is wanted (hello, certificate) is
// in pieces. Of a longer one the front counts. A leaf certificate has at most
// 16 KiB. Names, alerts and protocols are bounded in number and length: see
// Info. MemoryBytes is all a Session ever holds, TrimmedBytes what is left of it
// after Trim. Of records with application
// data only the header is looked at.
//
// # Fingerprints
//
// JA3 and JA3S are Salesforce's (BSD 3-clause), over the first ClientHello and
// the ServerHello. JA4 is FoxIO's TLS client fingerprint (BSD 3-clause,
// technical_details/JA4.md). JA4S and the others of JA4+ are left out: FoxIO
// License 1.1 does not let them be part of a product that is sold, and patents
// are pending.
//
// Not read: SSL 2.0, DTLS, what a hello in SSL 2.0's format for a later version
// says (RFC 5246 E.2: it is noted and skipped), raw public keys (RFC 7250),
// what renegotiation does inside TLS.
package tlswire
