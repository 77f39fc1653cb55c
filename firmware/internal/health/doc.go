// Package health keeps the probe's named conditions and makes one overall
// state of them: the worst.
//
// A condition is something that lasts ("uplink/home: connection refused"), not
// something that happened; that is the log's. Whoever owns a resource sets its
// condition and clears it; nobody else does. Names are "kind" or "kind/which",
// as in "uplink/home", "port/eth1", "spool".
//
// Rules say which kind of trouble explains which other: while an uplink is
// down the spool fills, and an engineer must read about the uplink first. A
// condition that no other one explains is a root. Rules only order what is
// shown; the overall level is always the worst of all.
//
// The newest changes of levels are remembered (History).
//
// Everything is bounded: conditions, the length of names and reasons, and
// watchers. Trouble that finds no room is not lost: it shows as the condition
// "health" until the process ends.
package health
