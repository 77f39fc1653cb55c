// Package reach makes the connections to a collector: it finds its addresses, tries
// them in turn, and makes TLS of what the configuration's files say.
//
// # Addresses
//
// A collector is named as "host:port", or by its SRV records (RFC 2782), whose
// name begins with an underscore. A name is resolved again for every attempt after a failure,
// and once in Fresh while all is well: a connection is made at every barrier. When
// nobody answers, what was found last is used. Whatever was found is tried in order,
// beginning with the address that last worked; one whose connection was broken off is
// tried last. An attempt ends after Timeout, of which each address has its share.
//
// # TLS
//
// The files are read for each connection, so that a renewed certificate needs no
// restart. The certificate must name the host that is asked for; with SRV
// records the domain they were asked from (RFC 6125), for whoever can forge these
// could name any other host.
package reach
