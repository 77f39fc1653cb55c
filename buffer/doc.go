// Package buffer keeps opaque records on disk, in order, through outages and
// power cuts. It knows a record only as octets with a sequence number and a
// class, and nothing of what they mean.
//
// A Spool is one bbolt file. Append is one durable commit, Read copies records
// out in sequence order, Trim forgets what is done, named cursors say how far
// each reader is. The file never grows beyond its cap: near the cap the classes
// that are worth least are shed as they come (Options.Shed), at the cap the oldest records go, and every
// record that goes is counted by class.
//
// # Layout
//
// All integers are big-endian. The file is written with 4 KiB pages and a
// synced freelist (without it a damaged page can kill the process in a
// goroutine of bbolt's own).
//
//	log                 one bucket per commit, named by its first seq (u64)
//	  <seq>
//	    00              index of the commit
//	    01+class n(u16) packed records of one class, chunk n
//	cursor              name -> value, as the caller gave it
//	quarantine          seq (u64) -> class u8, time i64, reason u16+octets, record
//	state
//	    state           counters, trim mark, highest seq; CRC32C
//	    octets written  u64, without those of the latest commit
//
// A packed record, one after the other until the value ends:
//
//	off size field
//	  0    4 octets of the record
//	  4    4 CRC32C of everything that follows
//	  8    8 sequence number
//	 16      the record
//
// The index repeats what the packed records' headers say, in sequence order, so
// that counting and evicting need not touch the data, and so that a rotten
// header does not hide the records behind it:
//
//	 0    1 version, 1
//	 1    8 first seq
//	 9    8 last seq
//	17    1 which classes there are, a bit each
//	18      per class: uvarint records, uvarint octets
//	        per record: u8 class | 8 when a gap follows, [uvarint gap], uvarint octets
//	end   4 CRC32C of all of the above
//
// # When things break
//
// A record whose CRC is wrong is skipped by Read, counted and put into
// quarantine. Damage to the file's structure (a fault in the mapping, a panic
// of bbolt, an index that does not check, EIO) makes the call that met it return
// ErrDamaged. By then the file has been set aside as path.damaged-<UTC time>,
// what could be read of it, newest 256 MiB, has been copied into a fresh file, and what
// could not is counted as Lost: as a rule one commit, for when a page that leads to others is damaged
// the version before is read, or the commits are found by their own pages. Of a file that was
// cut off, what is before the cut is read. After that the spool is usable and the call may be
// repeated. The faulted mapping is never touched again: copying uses ordinary reads.
// bbolt follows pages wherever they lead, until its stack overflows or the memory is gone,
// which ends the process. So those above the commits are walked with ordinary reads at Open,
// and before each transaction again as far as it will go through them; a commit's own, their
// heads, before each time that bbolt is to look at it.
//
// The law that tests assert, by class:
//
//	appended = held + trimmed + shed + evicted + lost
package buffer
