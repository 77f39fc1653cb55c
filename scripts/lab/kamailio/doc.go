// Package kamailio runs Kamailio's sipcapture module (Debian package kamailio)
// as a HEP server that shares no code with heptap, and tells what it read:
// the value of each chunk as Kamailio took it, and the payload byte for byte.
//
// Start runs one that logs every packet, StartStore one that parses the SIP and
// writes it to a database, as such servers do in life. Kamailio 5.6 does that
// with HEP over UDP only: over TCP its SIP parser gets the frame itself, refuses
// it, and the connection is closed.
//
// StartWeb runs one that is no HEP server but a SIP server, for phones that come
// over WebSocket (package kamailio-websocket-modules). StartControl runs one that
// takes commands, by JSON-RPC and binrpc. StartProxied runs one that tells
// rtpengine and rtpproxy of its calls. StartTrace runs one that sends a copy of
// its SIP as HEP3, as other agents do. StartRelay runs one that relays calls over
// every transport, and does beside them what such a box does.
//
// Limits of Kamailio 5.6: it does not show chunks 0x12, 0x13 and 0x65, it knows
// IP protocols 6 and 17 only, and its base64 of more than 48 kB is empty.
package kamailio
