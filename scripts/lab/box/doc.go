// Package box builds the heptap binary and runs it in a lab: the probe in one
// namespace, a collector in another, and reads back what arrived.
package box
