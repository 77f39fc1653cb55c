// Package capture holds the words every stage of the probe shares: the frame
// as a mirror port delivers it, the packet as decoding views it, the message
// as correlation receives it, and the reasons for which anything is dropped.
//
// The package has no behaviour of its own and imports nothing but the
// standard library. The stages live in its subpackages:
//
//	ring, pcapfile  ->  decode  ->  dissect, media  ->  correlate  ->  record
//
// Two clocks run through all of it. Wall is Unix time in nanoseconds, for
// people and collectors. Mono is a clock that never steps, in nanoseconds
// from an arbitrary zero, for ordering, intervals and jitter. A file has only
// packet time, so there both are equal.
package capture
