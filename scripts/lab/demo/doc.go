// Command demo shows heptap at work, in about a minute: sipp calls with real
// RTP run through a small lab switch; the probe on its mirror port forwards
// every SIP message, RTCP compound and RTP report to a collector, over an
// uplink that is pulled for ten seconds and plugged back. In the end it
// compares what arrived with what tcpdump and tshark saw on the mirror and
// with what the lab's relays did to the media, prints a table, and exits 1 if
// anything is missing or different. scripts/demo builds and starts it.
package main
