// Package probe wires the pipeline together and supervises it.
//
//	source -> worker: decode, dissect, RTP counted in place
//	             |  messages and snapshots, in batches
//	             v
//	          bounded queue, one per worker
//	             |
//	          merge by time -> correlate -> neutral record -> trace rules -> deliver
//	                      \-> beyond -'   what is beside signalling, received lines among it
//
// A worker owns its source, its media table and its counters; nothing in its
// loop takes a lock or allocates. Batches travel to the merge through a
// channel of fixed length and come back empty through another. When the merge
// falls behind, a live worker leaves out what is worth least, class by class (worth.go), then what
// has to be reassembled; when no batch is free it counts what it cannot
// hand over (QueueDrops). It always reads on, so that the ring does not fill behind
// it; a replaying worker waits. Told to stop, a live worker reads on until what
// the ring held at that moment is read, and waits for room with its streams'
// last counts: they reach the correlator before it makes the final reports.
//
// The merge and the correlator share one goroutine: they have one view of
// time. It takes the item with the smallest monotonic time once no other
// worker can still produce an earlier one, or after Watermark and that
// worker's lag.
//
// What other agents have seen (Relay) comes in between, by the time of its
// arrival. It has a bounded queue of its own, and no worker waits for it.
package probe
