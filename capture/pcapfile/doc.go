// Package pcapfile reads capture files: a capture.Source from pcap or pcapng,
// gzip-compressed or not, and one Source from several files by time. Writer
// writes pcapng.
//
//	pcap     magic a1b2c3d4 (microseconds), a1b23c4d (nanoseconds), a1b2cd34
//	         (Kuznetzov's longer record header), in either byte order
//	pcapng   sections in either byte order; per interface its link type,
//	         if_tsresol and if_tsoffset; enhanced, simple and the obsolete
//	         packet blocks. Other blocks are skipped.
//
// Formats: draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng,
// https://www.tcpdump.org/linktypes.html.
//
// # Damage
//
// Files get cut and mended by hand. Everything before the damage is delivered,
// then Read returns a *DamageError with the offset of the record or block that
// cannot be read, counted in the uncompressed file, and what is wrong with it.
// There is no guessing where the next good record may begin. A file that ends
// between two records is whole. Tolerated, because writers do it: records
// longer than the file's snap length, captured lengths above the original
// length, and fractions of a second above one.
//
// # Memory
//
// One buffer of 256 KiB per file, growing to MaxBlock at most. Frames borrow
// from it. Blocks that are only skipped may be of any length.
//
// # Why not gopacket/pcapgo
//
// It reads good files well, and the tests write theirs with it. But it has no
// offsets; it reports a file cut inside a pcapng block as a clean io.EOF; it
// allocates whatever length a damaged block states, up to 4 GiB; a short
// if_tsoffset or if_tsresol option makes it panic; a block total length below
// its minimum wraps around and swallows the rest of the file; and every frame
// costs a copy and, with differing link types, two allocations.
package pcapfile
