// Package syslogd receives lines of logs on the management side: what syslog
// daemons send here, over UDP and over TCP in either framing of RFC 6587, becomes
// messages like those that are seen on a mirror port.
//
//	socket -> one goroutine each -> Queue, bounded -> the pipeline's goroutine
//
// What there is no room for is counted and dropped, over TCP too: a daemon that
// had to wait would make the SIP server wait that writes to it. Nothing is ever
// answered. Time is that of arrival; what a line says of it is in its record.
//
// Flow is that of the socket. A sender on a mirrored network is seen twice, here
// and on the mirror port, if its lines pass there too.
package syslogd
