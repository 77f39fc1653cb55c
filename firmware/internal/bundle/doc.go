// Package bundle is the file that an update of a box comes in: one system, what is
// to be known of it before it is taken, and signatures over both.
//
//	magic       16 octets: "heptap update 1\n"; another number is another format
//	length      2 octets, big endian: of the header, 1 to MaxHeader
//	header      lines of a key, a space and a value, each ended by LF, in this order:
//	              board    the board it is for, as package board has it
//	              version  of the release
//	              built    seconds since 1970 of the commit it was built from
//	              data     the newest format of the data partition that it reads
//	              size     octets of the system, 1 to MaxSystem
//	              sha256   of the system, 64 hexadecimal digits, lower case
//	count       1 octet, 1 to MaxSignatures
//	signatures  each 8 octets that tell the key, the first of the SHA-256 of the
//	              public key, and 64 octets Ed25519 (RFC 8032) over magic, length and header
//	system      a unified kernel image; the file ends with it
//
// What is signed has the system's digest in it, so a signature is over everything.
// It comes first, so that nothing of a stranger's file is read further than the
// signatures, and a reader that keeps what it has read can go on after an interruption.
//
// # Keys
//
// A box trusts the public keys in its own system, which is signed itself. One signature
// by any of them is enough. A key is replaced in two releases: the first one, signed by
// the old key, has the old and the new public key in it; the next one is signed by the
// new key alone and no longer has the old one. For boxes that miss the first one,
// releases may carry signatures of both keys meanwhile. A key that was stolen
// is no longer trusted by a box once a release without it is committed there; the
// system before, which a box may go back to, and the factory system, which nothing ever
// replaces, go on trusting it. Keys are PEM, as openssl makes them: PKCS #8 (RFC 5958)
// the private, SubjectPublicKeyInfo (RFC 8410) the public ones.
package bundle
