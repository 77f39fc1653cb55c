// Package jsonout appends JSON (RFC 8259) to buffers, for packages that make
// records of what was on the wire: names and values one by one, and octets of
// anybody's as strings that are always UTF-8 and never hold a NUL, which
// PostgreSQL refuses even escaped. Nothing is allocated while the buffer has room.
//
// It knows no record and no protocol, reads no JSON, and does not check that
// what its callers open they close.
package jsonout
