// Package wire counts SIP messages on the mirror without any code of ours:
// tcpdump writes what passes, tshark reads it afterwards.
package wire
