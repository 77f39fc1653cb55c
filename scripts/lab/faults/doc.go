// Package faults breaks the uplink of a running heptap in every way the
// promise of package uplink names, and counts what arrives. Everything is
// real: the binary as it ships captures from a veth pair with AF_PACKET, the
// collectors are processes of their own, and a kill is kill -9.
//
//	generator --- span0 | probe | up0 --- switch --- up0 | collector
//	                                 (either link can be pulled)
//
// The generator sends SIP calls whose messages are numbered from 0 in the
// order they are sent. The collector is this package's test binary, started
// again: it reads every connection straight into a file that is mapped
// shared, so that what its process has read survives any death of it, to the
// octet; that is what the promise is about. The tally reads these files: which
// numbers arrived, how often, and in which order on each connection.
//
// A collector may also be a NATS server with a stream on disk, in such a process: what is
// in the stream is read there and tallied, and must be there once.
//
// TestFaultMatrix prints a table of what became of the records in each cell: a fault,
// a transport, a duration. A run has a core of cells and a sample, which HEPTAP_SEED
// takes again.
//
// Set HEPTAP_LONG=1 for longer faults, higher rates and more rounds.
package faults
