// Package capturetest holds what the tests of the capture side share: builders
// of frames and calls, a fake capture.Source, and the suite that every Source
// has to pass. Only tests and lab tools import it.
//
// Frames are built with gopacket, which is not what heptap decodes them with,
// so that a mistake in one shows up against the other; tunnels, which it does
// not all know, are built by hand and shown to tshark. Everything is made
// here: no frame is copied from a capture.
package capturetest
