// Package syslogd receives lines of logs on the management side: what syslog
// daemons send here, over UDP and over TCP in either framing of RFC 6587, becomes
// messages like those that are seen on a mirror port.
//
//	socket -> one goroutine each -> Queue, bounded -> the pipeline's goroutine
//
// What there is no room for is counted and dropped, over TCP too: a daemon that
// had to wait would make the SIP server wait that writes to it. Connections have
// places, of which the longest idle gives way. Nothing is ever answered. Time is that
// of arrival; what a line says of it is in its record.
//
// Listeners for HEP (package intake, and hep for package collect) look alike, but
// differ in what matters: whom they let in, TLS, and what the end of a connection
// tells its sender. What the three could share is an accept loop of ten lines, and hep
// imports nothing of firmware.
//
// Flow is that of the socket. A sender on a mirrored network is seen twice, here
// and on the mirror port, if its lines pass there too.
package syslogd
