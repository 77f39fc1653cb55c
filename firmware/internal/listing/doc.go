// Package listing says in words what records are, each in a line: for lists of
// them that people read. What comes from the wire is made printable.
package listing
