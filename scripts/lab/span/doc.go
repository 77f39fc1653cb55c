// Package span holds tests only: whatever a mirror port can throw at the probe,
// live, in namespaces of their own.
//
//	streams_test.go   SIP over TCP by sipp, over WebSocket by Kamailio and JsSIP
//	tunnels_test.go   VXLAN by the kernel; VLAN, GRE, ERSPAN, Geneve, MPLS and more by
//	                  a relay, which also puts SIP into SCTP; fragments by a small MTU
//	verdicts_test.go  every fault of a mirror made on purpose, and a network that
//	                  loses, which is none
//
// In each test tcpdump and tshark watch the same mirror port, and sipp, or the
// generator, knows what it sent. First these must agree that the mirror carries
// what the test is about; then the collector must have every SIP message once,
// and a report on every stream.
//
// With HEPTAP_LONG=1 the verdict on a good mirror is waited for, which takes a
// minute.
package span
