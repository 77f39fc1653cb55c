package config

import (
	"fmt"
	"net/netip"

	"heptap/capture/mi"
)

// Syslog is where lines of logs are received on the management side.
type Syslog struct {
	UDP, TCP List // addresses to listen on; none in both means off
	Allow    List // CIDRs; none means anybody
}

// On reports whether there is anything to listen on.
func (s *Syslog) On() bool { return s.UDP != "" || s.TCP != "" }

// Prefixes returns the senders allowed.
func (s *Syslog) Prefixes() []netip.Prefix { return s.Allow.prefixes() }

func (c *Config) checkSyslog(name string) error {
	if c.Syslog.On() && c.Records.Log == LogOff {
		return fmt.Errorf("%s: syslog: lines are received and there are no records of them; set records log linked, or all", name)
	}
	return nil
}

// besideOptions are about records of what is beside signalling.
func besideOptions() []Option {
	filter := func(platform, example string, at func(*MIFilter) *string) Option {
		return single("records mi-filter "+platform, "LIST", "every command",
			`commands of which there are records: "w: NAME, ..." only these, "b: NAME, ..." all but these; NAME* is every name that begins so`,
			example, func(c *Config) *string { return at(&c.Records.MIFilter) }, commands)
	}
	return []Option{
		single("records log", "linked|all|off", "", "records of lines of logs (syslog, HEP type 100) seen on a mirror port: of those that name a call, of all, or none", "all",
			func(c *Config) *LogRecords { return &c.Records.Log }, oneOf(LogLinked, LogAll, LogOff)),
		single("records ng", "on|off", "", "records of what SIP servers tell rtpengine and rtpproxy, with their replies (HEP type 100); a call's media is found by it even when its SIP is encrypted", "off",
			func(c *Config) *bool { return &c.Records.NG }, onOff),
		single("records dns", "on|off", "", "records of the DNS questions that SIP hosts ask, and their replies (HEP type 53): SRV, NAPTR, ENUM, A and AAAA", "off",
			func(c *Config) *bool { return &c.Records.DNS }, onOff),
		single("records mi", "on|off", "", "records of management commands and their replies (HEP type 87): over UDP, HTTP, event socket, manager interface and binrpc", "off",
			func(c *Config) *bool { return &c.Records.MI }, onOff),
		single("records rest", "servers|all|off", "", "records of queries over HTTP and their replies (HEP type 88): those that SIP servers send, all, or none; secrets are masked", "all",
			func(c *Config) *RESTRecords { return &c.Records.REST }, oneOf(RESTServers, RESTAll, RESTOff)),
		single("records rest-bodies", "on|off", "", "show what queries and replies carry, the first 2 KiB, secrets masked; off, it is only searched for the ids of calls", "on",
			func(c *Config) *bool { return &c.Records.RESTBodies }, onOff),
		single("records rest-headers", "NAME", "none", "header fields of queries and replies to show, besides Host and Content-Type; several with commas between them", "X-Request-ID,Server",
			func(c *Config) *List { return &c.Records.RESTHeaders }, headers),
		single("records call-keys", "NAME", "none", "keys whose value is the Call-ID of a call, or its Session-ID or traceparent, besides callid, Call-ID, X-Call-ID and the like: header fields, URL and form parameters and JSON of queries, key=value, key: value, JSON and structured data of lines, parameters of commands, keys of NG; capitals, - and _ do not matter; several with commas between them", "X-Dialog,leg_id",
			func(c *Config) *List { return &c.Records.CallKeys }, keys),
		single("records servers", "CIDR", "none", "hosts that are SIP servers, besides those that are found out: a PBX that registers with a provider, of which neither phones nor several numbers are seen; several with commas between them", "192.0.2.10/32,2001:db8::/64",
			func(c *Config) *List { return &c.Records.Servers }, prefixes),
		single("records links", "inferred|seen", "", "how queries and questions of DNS are linked to the calls they were made for, and the legs of a call to each other: by the numbers in them and their times too, with a score, in records of their own (HEP type 96), or only by ids on the wire", "seen",
			func(c *Config) *Links { return &c.Records.Links }, oneOf(LinksInferred, LinksSeen)),
		filter("opensips", "w: dr_reload, lb_reload", func(f *MIFilter) *string { return &f.OpenSIPS }),
		filter("kamailio", "b: core.*, stats.*", func(f *MIFilter) *string { return &f.Kamailio }),
		filter("freeswitch", "b: status, show*", func(f *MIFilter) *string { return &f.FreeSWITCH }),
		filter("asterisk", "w: Originate, Hangup, Redirect", func(f *MIFilter) *string { return &f.Asterisk }),
		single("syslog listen udp", "ADDRESS:PORT", "off", "receive lines of logs there, and take them for seen; several addresses with commas between them", "192.0.2.20:514",
			func(c *Config) *List { return &c.Syslog.UDP }, listenOn),
		single("syslog listen tcp", "ADDRESS:PORT", "off", "the same over TCP, in lines or counted", "192.0.2.20:514",
			func(c *Config) *List { return &c.Syslog.TCP }, listenOn),
		single("syslog allow", "CIDR", "anybody", "networks that lines are received from; several with commas between them", "192.0.2.0/24",
			func(c *Config) *List { return &c.Syslog.Allow }, prefixes),
	}
}

func checkCommands(s string) error { _, err := mi.ParseFilter(s); return err }
