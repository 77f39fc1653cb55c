package dissect

import (
	"heptap/capture"
	"heptap/capture/dns"
	"heptap/capture/mi"
	"heptap/capture/ng"
	"heptap/capture/syslog"
)

// Beside is a set of protocols beside signalling. What is not in it is not
// looked for.
type Beside uint8

// The protocols beside signalling.
const (
	Logs     Beside = 1 << iota // capture.Syslog
	Lookups                     // capture.DNS
	Control                     // capture.NG
	Commands                    // capture.MI
)

// Ports that say what their datagrams are: nothing in a DNS message, or in a
// line without PRI, is a mark to know it by.
const (
	portDNS    = 53
	portMDNS   = 5353
	portSyslog = 514
)

// lookup reports whether p is a DNS message.
func lookup(p *capture.Packet) bool {
	return (p.SrcPort == portDNS || p.DstPort == portDNS || p.SrcPort == portMDNS || p.DstPort == portMDNS) && dns.Is(p.Payload)
}

// magicBinRPC begins a packet of binrpc, and RTP with padding and one CSRC. The former has
// its length in it, and values from there to its end.
const magicBinRPC = 0xA1

// isCommand reports whether b is a management command, or a reply to one.
func isCommand(b []byte) bool {
	_, ok := mi.IsDatagram(b)
	return ok
}

// besides judges datagrams that are nothing else. All of these protocols begin
// with a printable octet, which most of what is unknown does not; binrpc is known before.
func besides(p *capture.Packet, also Beside) capture.Protocol {
	b := p.Payload
	if len(b) == 0 || b[0] < ' ' || b[0] > '~' {
		return capture.Unknown
	}
	switch b[0] {
	case '<':
		if also&Logs != 0 && syslog.Is(b) {
			return capture.Syslog
		}
	case '{', '[', ':':
		if also&Commands != 0 && isCommand(b) {
			return capture.MI
		}
	}
	switch {
	case also&Control != 0 && (ng.Is(b) || ng.IsRTPProxy(b)):
		return capture.NG
	case also&Logs != 0 && p.DstPort == portSyslog:
		return capture.Syslog
	}
	return capture.Unknown
}
