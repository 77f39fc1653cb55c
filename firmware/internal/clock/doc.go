// Package clock knows how right the time is, makes it right if asked to, and puts
// right what was stamped before it was.
//
// # Epochs
//
// The time of a record is the wall clock's, and the monotonic clock's beside it. Whenever
// the wall clock is stepped, by this package or by whoever keeps the clock of the
// machine, an epoch ends and the next begins: Keeper looks once a second how far
// the clocks are apart. Of each epoch is remembered how far apart they were, and whether
// the time was known to be right. A record of an epoch in which it was not, as after a
// power cut on a box without a battery, gets its wall time from its monotonic one and
// the next epoch of the same boot that was right (Epochs.Wall), at the moment it is
// sent. What other agents have stamped is left alone.
//
// The last epochs are kept in a file beside the spool, so that a record which was
// spooled is put right after a reboot, too.
//
// # Keeping the clock (Options.Servers)
//
// NTP (RFC 5905), with the packets of github.com/beevik/ntp. All servers are asked at
// once, every 16 s at first and every 17 minutes when the clock runs well. Of their
// answers those count that the most agree with, each within its own root distance
// (the intersection of 11.2.1, by Marzullo); no majority, no change. The clock is stepped
// when it is off by StepAt or more, otherwise slewed. A step of a clock that was right
// before needs a second round that says the same. A time before this program was
// built is nobody's time.
//
// # Waiting (Keeper.Wait)
//
// Records do not leave before the time is right: they wait, in the spool, for the
// first answer, but for Options.Hold at most, and for ever while the clock is before the
// day the program was built.
package clock
