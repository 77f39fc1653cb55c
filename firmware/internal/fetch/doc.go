// Package fetch gets an update of the box by HTTP or HTTPS. What it has got outlives an
// interruption, whether of the connection, of the probe or of the power: it goes on from there if
// the server has the same file still (RFC 9110, 13.1.5 and 14). Nothing of a file is
// read further than its signature when that is not good, or when the update is not
// for this box. PID 1 checks all of it again.
package fetch
