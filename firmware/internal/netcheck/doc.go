// Package netcheck answers what a technician asks of a network: who has a name, and
// who answers an echo request. It is for people at a console, tells of each step as it
// is taken, and ends when its context does.
package netcheck
