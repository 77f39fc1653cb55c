package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"heptap/firmware/internal/trace"
)

// Option is one line of the schema.
type Option struct {
	Path    []string // words after "set"; a word in angle brackets stands for a name the user chooses
	Arg     string   // what the value is, for help
	Default string   // the default as text, or what it means in words
	Help    string
	Example string
	Many    bool // takes any number of words, of which blanks make one value
	Secret  bool // the value is shown to nobody

	set func(c *Config, names []string, value string) error
	// each calls fn for every place of c that has the option, with the names
	// in the path and the value as text. def is the value of a default place.
	each func(c *Config, fn func(names []string, value, def string))
}

// Usage returns the option as the user types it, without "set".
func (o *Option) Usage() string { return strings.Join(o.Path, " ") + " " + o.Arg }

// Schema returns every option, in the order the reference page shows them.
func Schema() []Option {
	return slices.Concat(systemOptions(), uplinkOptions(), portOptions(), collectorOptions(), deliveryOptions(), spoolOptions(), decodeOptions(), mediaOptions(), besideOptions(), recentOptions(), packetOptions(), traceOptions(), timeOptions(), privacyOptions(), intakeOptions())
}

func systemOptions() []Option {
	return []Option{
		single("system node", "NAME", "the host's name", "name of this probe in every record (HEP chunk 0x13)", "probe-berlin",
			func(c *Config) *string { return &c.System.Node }, nodeName),
		single("system agent-id", "N", "", "number of this probe in every record (HEP chunk 0x0c), 1 to 4294967295", "2001",
			func(c *Config) *uint32 { return &c.System.AgentID }, number[uint32](1, 1<<32-1)),
		single("system board", "NAME", "", "board the LEDs and the button are on; `heptap version -boards` lists them", "sim",
			func(c *Config) *string { return &c.System.Board }, word),
		single("system console", "PATH|off", "console.sock in the spool's directory", "unix socket that `heptap console` finds the shell at, for its owner only", "/run/heptap.sock",
			func(c *Config) *string { return &c.System.Console }, socketPath),
		single("system status-interval", "DURATION", "", "tell the collectors how the probe is, and what was lost where and why, in a log record (HEP type 100) under status@NODE, every so often, 10s to 24h; or off", "60s",
			func(c *Config) *time.Duration { return &c.System.StatusInterval }, offOr(duration(10*time.Second, 24*time.Hour))),
		single("system upgrade-from", "URL", "off", "of a box: look once a day whether a newer update is there, install it, and restart; one that this box has given up is not taken again", "https://updates.example.org/heptap-x86-64-uefi.update",
			func(c *Config) *string { return &c.System.UpgradeFrom }, webAddress),
		single("system upgrade-at", "HH:MM", "", "when, in UTC; up to half an hour later, so that not all boxes come at once", "03:00",
			func(c *Config) *TimeOfDay { return &c.System.UpgradeAt }, timeOfDay),
		single("metrics listen", "ADDRESS:PORT", "off", "serve Prometheus metrics there; a loopback address", "127.0.0.1:9107",
			func(c *Config) *netip.AddrPort { return &c.Metrics.Listen }, loopback),
	}
}

func portOptions() []Option {
	return []Option{
		port("interface", "DEVICE", "", "network device of the mirror port; the only option without a default", "eth1",
			func(p *Port) *string { return &p.Interface }, device),
		port("ring-size", "SIZE", "", "memory of the capture ring, 1MiB to 4GiB; less by default where memory is short", "64MiB",
			func(p *Port) *int64 { return &p.RingSize }, size(1<<20, 4<<30)),
		port("block-size", "SIZE", "", "block of the ring, 64KiB to 16MiB; a block is handed over when it is full or at retire, so small ones bridge longer stalls", "1MiB",
			func(p *Port) *int64 { return &p.BlockSize }, size(64<<10, 16<<20)),
		port("rings", "N", "", "spread the port over N rings by flow (PACKET_FANOUT), 1 to 8", "2",
			func(p *Port) *int { return &p.Rings }, number[int](1, 8)),
		port("filter", "EXPRESSION", "everything", "capture only what the expression matches, in pcap-filter's words; of the rest one packet in 1024 is counted by what it carries, and no more", "udp or host 192.0.2.7",
			func(p *Port) *string { return &p.Filter }, text),
		port("link-setup", "on|off", "", "bring the device up as a mirror port: no address, no ARP, no offload that merges frames", "on",
			func(p *Port) *bool { return &p.LinkSetup }, onOff),
		port("retire", "DURATION", "", "hand over a ring block at the latest after this, 1ms to 1s", "10ms",
			func(p *Port) *time.Duration { return &p.Retire }, duration(time.Millisecond, time.Second)),
		port("snap-length", "SIZE", "whole frames", "keep only so much of a frame, 256B to 64KiB", "2KiB",
			func(p *Port) *int64 { return &p.SnapLength }, size(256, 64<<10)),
		port("timestamps", "software|hardware", "", "the clock that says when a frame came: the system's, or the network card's, where it can stamp every frame and its times agree with the system's within 10ms; if not the system's is used, and `show interfaces` says why", "hardware",
			func(p *Port) *Timestamps { return &p.Timestamps }, oneOf(TimestampsSoftware, TimestampsHardware)),
	}
}

func collectorOptions() []Option {
	return []Option{
		collector("address", "HOST:PORT", "", "HEP server, or the name of its SRV records, such as _hep._tcp.example.net; with transport nats a NATS server, or several with commas between them; without a collector the records stay in the spool", "192.0.2.10:9060",
			func(c *Collector) *string { return &c.Address }, address),
		collector("transport", "tcp|tls|udp|nats|nats-tls", "", "all but udp promise that nothing is missing; nats and nats-tls publish each HEP packet to a stream of NATS JetStream, whose acknowledgement confirms it", "nats-tls",
			func(c *Collector) *Transport { return &c.Transport }, oneOf(TCP, TLS, UDP, NATS, NATSTLS)),
		collector("tls-ca", "FILE", "the system's authorities", "the collector's certificate must be signed by one of these, in PEM", "/data/ca.pem",
			func(c *Collector) *string { return &c.TLS.CA }, text),
		collector("tls-pin", "PIN", "none", "the collector's key must be this one, as \"heptap run\" names it when it refuses the certificate; alone, without tls-ca, it is all that counts; several with commas between them", "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
			func(c *Collector) *List { return &c.TLS.Pins }, pins),
		collector("tls-name", "NAME", "the host of its address; with SRV records their domain", "what the collector's certificate must name", "hep.example.net",
			func(c *Collector) *string { return &c.TLS.Name }, hostName),
		collector("tls-certificate", "FILE", "none", "certificate that is shown to the collector, in PEM, with those that lead to its authority", "/data/probe.pem",
			func(c *Collector) *string { return &c.TLS.Certificate }, text),
		collector("tls-key", "FILE", "none", "its private key, in PEM", "/data/probe.key",
			func(c *Collector) *string { return &c.TLS.Key }, text),
		collector("nats-subject", "PREFIX", "", "what the subjects begin with: PREFIX.NODE.TYPE, such as heptap.probe-berlin.sip; tokens of letters, digits, - and _ with dots between them", "voip.probes",
			func(c *Collector) *string { return &c.NATS.Subject }, subjectPrefix),
		collector("nats-partitions", "N", "", "deal calls out to so many partitions, 1 to 1024: with more than 1 the subject ends with the number of the call's, from 0, so that consumers can share the work and each has whole calls", "8",
			func(c *Collector) *int { return &c.NATS.Partitions }, number[int](1, 1024)),
		collector("nats-user", "NAME", "none", "user at the NATS server", "probe",
			func(c *Collector) *string { return &c.NATS.User }, text),
		collector("nats-password", "TEXT", "none", "that user's password", "secret",
			func(c *Collector) *Secret { return &c.NATS.Password }, secret),
		collector("nats-token", "TEXT", "none", "or a token that lets this probe in", "secret",
			func(c *Collector) *Secret { return &c.NATS.Token }, secret),
		collector("nats-credentials", "FILE", "none", "or a file with a JWT and the seed of its key, as nsc makes it (.creds)", "/data/probe.creds",
			func(c *Collector) *string { return &c.NATS.Credentials }, text),
		collector("source", "ADDRESS", "the kernel's choice", "address of this probe to send from", "192.0.2.20",
			func(c *Collector) *netip.Addr { return &c.Source }, ipAddress),
		collector("interface", "DEVICE", "the kernel's choice", "network device to send by, whatever the routes say", "eth0",
			func(c *Collector) *string { return &c.Interface }, device),
		collector("dscp", "N", "0", "priority of the packets in networks that know it (differentiated services code point), 1 to 63", "10",
			func(c *Collector) *int { return &c.DSCP }, number[int](1, 63)),
		collector("auth-key", "TEXT", "none", "shared secret in every record (HEP chunk 0x0e), sent in the clear", "myHep",
			func(c *Collector) *Secret { return &c.AuthKey }, secret),
		collector("profile", "opensips|homer7", "", "what the server understands: opensips for record types and ids as OpenSIPS sends them; homer7 for what heplify-server stores and Homer 7 shows", "homer7",
			func(c *Collector) *string { return &c.Profile }, oneOf(OpenSIPS, Homer7)),
		collector("inferred-links", "on|off", "", "profile homer7: show a record in the call that it most likely belongs to, with its score, when no id on the wire says so", "on",
			func(c *Collector) *bool { return &c.Inferred }, onOff),
		collector("protocol-numbers", "seen|ip|opensips", "", "what HEP chunk 0x02 says of TLS and WebSocket: seen, what agents send (with profile homer7 6 instead of 50), and 6, TCP, in this probe's own records; ip, always 6; opensips, 22 for TLS and 50 for WebSocket, as OpenSIPS has it (Homer 7 shows 22 as tls, and 50 as udp)", "opensips",
			func(c *Collector) *string { return &c.Numbers }, oneOf(NumbersSeen, NumbersIP, NumbersOpenSIPS)),
		collector("sequence", "on|off", "", "number every packet with its record's place in this probe's log (vendor 0x6874, chunk 0x0101), so that a collector can tell what came twice and what is missing", "on",
			func(c *Collector) *bool { return &c.Sequence }, onOff),
		collector("clock", "on|off", "", "say in every packet what this probe knows of its clock (vendor 0x6874, chunk 0x0102): compared with a time server or not, and how far off it was found last", "on",
			func(c *Collector) *bool { return &c.Clock }, onOff),
		collector("order", "live|strict", "", "live: new records go first while a backlog drains; strict: one sequence, the oldest first", "strict",
			func(c *Collector) *Order { return &c.Order }, oneOf(OrderLive, OrderStrict)),
		collector("drain-rate", "N", "as fast as it goes; with profile homer7 500, or twice the live rate if that is more", "records of backlog per second at most, 1 to 10000000", "500",
			func(c *Collector) *int { return &c.DrainRate }, number[int](1, 10_000_000)),
		collector("max-age", "DURATION", "off; with profile homer7 48h", "hold back, in the spool, what has become older than the server has room for, 1h to 8760h", "72h",
			func(c *Collector) *time.Duration { return &c.MaxAge }, ageOrOff),
		collector("stall", "DURATION", "", "a write that makes no progress for so long, or a stream that acknowledges nothing, means the collector is down, 1s to 5m", "10s",
			func(c *Collector) *time.Duration { return &c.Stall }, duration(time.Second, 5*time.Minute)),
		collector("max-frame", "SIZE", "what fits a UDP datagram", "largest HEP packet the server takes, 512B to 65507; longer SIP is cut and flagged", "8KiB",
			func(c *Collector) *int64 { return &c.MaxFrame }, size(512, 65507)),
		filterRule(),
		collector("filter default", "allow|deny", "", "whether it gets the records that no rule of its filter decides", "deny",
			func(c *Collector) *trace.Action { return &c.Filter.Default }, oneOf(trace.Allow, trace.Deny)),
	}
}

func spoolOptions() []Option {
	return []Option{
		single("spool path", "DIRECTORY", "", "where records wait while the collector cannot take them", "/data/spool",
			func(c *Config) *string { return &c.Spool.Path }, text),
		single("spool max-size", "SIZE", "", "largest size of the spool file, 4MiB to 64GiB; less where the disk has no room for it and 32 MiB and the packet memory's files beside it", "1GiB",
			func(c *Config) *int64 { return &c.Spool.MaxSize }, size(4<<20, 64<<30)),
		single("spool max-age", "DURATION|off", "", "how old records may get in the spool: older ones are given up, and counted, once the probe knows the time; a record of another agent goes with the probe's own around it; 1h to 8760h, or off", "168h",
			func(c *Config) *time.Duration { return &c.Spool.MaxAge }, offOr(duration(time.Hour, 8760*time.Hour))),
		single("spool memory", "SIZE", "", "records kept in memory before they need the disk, 4MiB to 1GiB; less by default where memory is short", "32MiB",
			func(c *Config) *int64 { return &c.Spool.Memory }, size(4<<20, 1<<30)),
		single("spool shed", "CLASS,...|none", "", "what goes first when the spool or the memory is nearly full, or the CPU does not keep up, the first first: periodic (interval reports and RTCP), keepalive (REGISTER, OPTIONS and their answers), log (lines of logs), routine (other signalling outside calls), query (DNS, REST, commands), final (reports and events once per call); what is not named stays like call (signalling of calls), until the oldest go", "periodic,keepalive,log",
			func(c *Config) *List { return &c.Spool.Shed }, classes),
	}
}

func decodeOptions() []Option {
	return []Option{
		single("decode duplicates", "drop|mark|off", "", "mirrored copies of a packet: drop them, forward those of SIP and RTCP with a mark, or do not look for them", "mark",
			func(c *Config) *Duplicates { return &c.Decode.Duplicates }, oneOf(DuplicatesDrop, DuplicatesMark, DuplicatesOff)),
		single("decode duplicate-window", "DURATION", "", "how late a mirrored copy may come, 1ms to 400ms; SIP itself repeats a message after 500ms", "50ms",
			func(c *Config) *time.Duration { return &c.Decode.DuplicateWindow }, duration(time.Millisecond, 400*time.Millisecond)),
		single("decode hep", "skip|unwrap", "", "HEP packets seen on a mirror port: skip them, or take the SIP inside for seen", "skip",
			func(c *Config) *OnWireHEP { return &c.Decode.HEP }, oneOf(HEPSkip, HEPUnwrap)),
		single("decode fragment-memory", "SIZE", "", "IP datagrams that wait for their fragments, 128KiB to 256MiB", "4MiB",
			func(c *Config) *int64 { return &c.Decode.FragmentMemory }, size(128<<10, 256<<20)),
		single("streams connections", "N", "", "TCP connections followed at once, 64 to 1048576; fewer by default where memory is short", "32768",
			func(c *Config) *int { return &c.Streams.Connections }, number[int](64, 1<<20)),
		single("streams memory", "SIZE", "", "TCP data that waits for what is missing before it, 1MiB to 1GiB; less by default where memory is short", "16MiB",
			func(c *Config) *int64 { return &c.Streams.Memory }, size(1<<20, 1<<30)),
		single("streams idle", "DURATION", "", "a connection with SIP in it is forgotten after so long without a segment, 1m to 48h", "4h",
			func(c *Config) *time.Duration { return &c.Streams.Idle }, duration(time.Minute, 48*time.Hour)),
	}
}

func mediaOptions() []Option {
	return []Option{
		single("media report-interval", "DURATION", "", "between the quality reports of a stream, of which the first comes up to a quarter of it earlier, so that not all come at once; 5s to 1h; off for final reports only", "60s",
			func(c *Config) *time.Duration { return &c.Media.ReportInterval }, offOr(duration(5*time.Second, time.Hour))),
		single("media events", "on|off", "", "log records (HEP type 100) when a call has audio one way only, or its RTP stops or resumes", "off",
			func(c *Config) *bool { return &c.Media.Events }, onOff),
		single("records net", "on|sip|off", "", "records of the connections that SIP, queries and commands go over, and of SCTP associations with SIGTRAN (HEP type 89): opened, refused, closed, by whom and why, with what they carried; sip: not of queries and commands", "sip",
			func(c *Config) *NetRecords { return &c.Records.Net }, oneOf(NetOn, NetSIP, NetOff)),
		single("records isup", "on|off", "", "records of ISUP (HEP type 54): of calls on circuits, from M3UA, M2UA and M2PA, and of the bodies of SIP-I and SIP-T, in words", "off",
			func(c *Config) *bool { return &c.Records.ISUP }, onOff),
		single("media unknown", "on|off", "", "export streams that belong to no call the probe has seen", "off",
			func(c *Config) *bool { return &c.Media.Unknown }, onOff),
		single("media streams", "N", "", "RTP streams a ring counts at once, 64 to 1048576; fewer by default where memory is short", "32768",
			func(c *Config) *int { return &c.Media.Streams }, number[int](64, 1<<20)),
		single("calls max", "N", "", "calls followed at once, 16 to 1000000; fewer by default where memory is short", "50000",
			func(c *Config) *int { return &c.Calls.Max }, number[int](16, 1_000_000)),
		single("calls leg-headers", "NAME", "", "header fields of an INVITE whose value is the Call-ID of the first leg of the same call, several with commas between them; Session-ID and P-Charging-Vector count in any case", "X-CID,X-Leg",
			func(c *Config) *List { return &c.Calls.LegHeaders }, headers),
		single("calls idle", "DURATION", "", "an established call without signalling and media is forgotten after this, 1m to 24h", "2h",
			func(c *Config) *time.Duration { return &c.Calls.Idle }, duration(time.Minute, 24*time.Hour)),
	}
}

func recentOptions() []Option {
	return []Option{
		single("recent memory", "SIZE", "", "newest records held in memory, besides the log, to be looked at on the probe, 1MiB to 1GiB; off for none; less by default where memory is short", "8MiB",
			func(c *Config) *int64 { return &c.Recent.Memory }, offOr(size(1<<20, 1<<30))),
		single("recent age", "DURATION", "", "how much older than the newest these may be, 10s to 24h", "30m",
			func(c *Config) *time.Duration { return &c.Recent.Age }, duration(10*time.Second, 24*time.Hour)),
	}
}

func packetOptions() []Option {
	return []Option{
		single("packets memory", "SIZE", "", "newest frames held in memory, of media their headers only, for `capture to file`, 1MiB to 256MiB; off for none; less by default where memory is short", "16MiB",
			func(c *Config) *int64 { return &c.Packets.Memory }, offOr(size(1<<20, 256<<20))),
		single("packets pins", "N", "", "marks of which the frames around them are held beside the newest ones, each in as much memory again, 1 to 8; one more takes the place of the oldest", "3",
			func(c *Config) *int { return &c.Packets.Pins }, number[int](1, 8)),
		single("packets after", "DURATION", "", "how much of what follows a mark is held with it, 1s to 10m", "30s",
			func(c *Config) *time.Duration { return &c.Packets.After }, duration(time.Second, 10*time.Minute)),
		single("packets files", "SIZE", "", "captures and support bundles on disk, in the directory files beside the spool, 1MiB to 4GiB; what does not fit is not made", "256MiB",
			func(c *Config) *int64 { return &c.Packets.Files }, size(1<<20, 4<<30)),
	}
}

func timeOptions() []Option {
	return []Option{
		single("time servers", "HOST", "on the appliance what DHCP says; elsewhere another program keeps the clock", "keep the clock of this machine by NTP from these servers, with or without a port, several with commas between them; at most 8", "ntp1.example.com,192.0.2.123",
			func(c *Config) *List { return &c.Time.Servers }, servers),
		single("time hold", "DURATION", "", "with time servers: records wait in the spool for their first answer, so that none leaves with a wrong time, but for so long at most; 1s to 24h, or off", "15m",
			func(c *Config) *time.Duration { return &c.Time.Hold }, offOr(duration(time.Second, 24*time.Hour))),
	}
}

func privacyOptions() []Option {
	return []Option{
		single("privacy secret", "TEXT", "none", "replace telephone numbers and user names in all records, before they reach the spool; the same secret replaces in the same way everywhere, and 'heptap pseudonym' does and undoes it; 16 octets or more", "a-long-text-that-nobody-guesses",
			func(c *Config) *Secret { return &c.Privacy.Secret }, longSecret),
		single("privacy keep", "NAME", "none", "numbers and names that are not replaced, several with commas between them; anonymous, unavailable, unknown, restricted and private never are", "112,110,voicemail",
			func(c *Config) *List { return &c.Privacy.Keep }, kept),
		single("privacy blank-bodies", "on|off", "", "blank the bodies of SIP other than SDP, such as those of MESSAGE, the Subject, and those of queries", "on",
			func(c *Config) *bool { return &c.Privacy.Bodies }, onOff),
		single("privacy blank-credentials", "on|off", "", "blank what proves who somebody is in SIP: digests, tokens, and the keys of SRTP in SDP", "on",
			func(c *Config) *bool { return &c.Privacy.Credentials }, onOff),
	}
}

func intakeOptions() []Option {
	return []Option{
		single("intake listen udp", "ADDRESS:PORT", "off", "take in HEP of other agents there, and forward it; several addresses with commas between them", "192.0.2.20:9060",
			func(c *Config) *List { return &c.Intake.UDP }, listenOn),
		single("intake listen tcp", "ADDRESS:PORT", "off", "the same over TCP", "192.0.2.20:9060",
			func(c *Config) *List { return &c.Intake.TCP }, listenOn),
		single("intake listen tls", "ADDRESS:PORT", "off", "the same over TLS; needs a certificate and its key", "192.0.2.20:9061",
			func(c *Config) *List { return &c.Intake.TLS }, listenOn),
		single("intake certificate", "FILE", "none", "certificate that TLS shows, in PEM", "/data/hep.pem",
			func(c *Config) *string { return &c.Intake.Certificate }, text),
		single("intake key", "FILE", "none", "its private key, in PEM", "/data/hep.key",
			func(c *Config) *string { return &c.Intake.Key }, text),
		single("intake client-ca", "FILE", "none", "agents must show a certificate signed by one of these, in PEM", "/data/agents.pem",
			func(c *Config) *string { return &c.Intake.ClientCA }, text),
		single("intake auth-key", "TEXT", "none", "shared secret that every packet must have (HEP chunk 0x0e); HEP1 and HEP2 have none", "myHep",
			func(c *Config) *Secret { return &c.Intake.AuthKey }, secret),
		single("intake allow", "CIDR", "anybody", "networks that agents may send from; several with commas between them", "192.0.2.0/24,2001:db8::/32",
			func(c *Config) *List { return &c.Intake.Allow }, prefixes),
		single("intake connections", "N", "", "connections at a time, 1 to 1024; at most 16 of one address", "64",
			func(c *Config) *int { return &c.Intake.Connections }, number[int](1, 1024)),
		single("intake delimiter", "TEXT", "", "what stands between the values when OpenSIPS sends text (homer5_on=1), its homer5_delim", "##",
			func(c *Config) *string { return &c.Intake.Delimiter }, delimiter),
		single("intake rest-ports", "swap|keep", "", "ports in OpenSIPS's records of HTTP: every version on x86 and ARM has their octets the wrong way round", "keep",
			func(c *Config) *RESTPorts { return &c.Intake.RESTPorts }, oneOf(RESTPortsSwap, RESTPortsKeep)),
	}
}

// single is an option of the whole configuration.
func single[T comparable](path, arg, def, help, example string, at func(*Config) *T, k kind[T]) Option {
	d := Default()
	zero := k.format(*at(&d))
	if def == "" {
		def = zero
	}
	return Option{Path: strings.Fields(path), Arg: arg, Default: def, Help: help, Example: example, Secret: isSecret[T](),
		set: func(c *Config, _ []string, value string) error { return k.into(at(c), value) },
		each: func(c *Config, fn func([]string, string, string)) {
			fn(nil, k.format(*at(c)), zero)
		}}
}

// port is an option of one mirror port.
func port[T comparable](word, arg, def, help, example string, at func(*Port) *T, k kind[T]) Option {
	d := defaultPort("")
	zero := k.format(*at(&d))
	if def == "" {
		def = zero
	}
	return Option{Path: []string{"capture", "<port>", word}, Arg: arg, Default: def, Help: help, Example: example, Secret: isSecret[T](),
		set: func(c *Config, names []string, value string) error {
			p, err := place(&c.Ports, names[0], MaxPorts, "mirror port", func(p *Port) string { return p.Name }, defaultPort)
			if err != nil {
				return err
			}
			return k.into(at(p), value)
		},
		each: func(c *Config, fn func([]string, string, string)) {
			for i := range c.Ports {
				fn([]string{c.Ports[i].Name}, k.format(*at(&c.Ports[i])), zero)
			}
		}}
}

// collector is an option of one collector.
func collector[T comparable](word, arg, def, help, example string, at func(*Collector) *T, k kind[T]) Option {
	d := defaultCollector("")
	zero := k.format(*at(&d))
	if def == "" {
		def = zero
	}
	return Option{Path: append([]string{"collector", "<name>"}, strings.Fields(word)...), Arg: arg, Default: def, Help: help, Example: example, Secret: isSecret[T](),
		set: func(c *Config, names []string, value string) error {
			p, err := c.collector(names[0])
			if err != nil {
				return err
			}
			return k.into(at(p), value)
		},
		each: func(c *Config, fn func([]string, string, string)) {
			for i := range c.Collector {
				fn([]string{c.Collector[i].Name}, k.format(*at(&c.Collector[i])), zero)
			}
		}}
}

// collector finds the collector of that name, or makes it.
func (c *Config) collector(name string) (*Collector, error) {
	return place(&c.Collector, name, MaxCollectors, "collector", func(c *Collector) string { return c.Name }, defaultCollector)
}

// isSecret says whether values of type T are shown to nobody.
func isSecret[T any]() bool {
	var v T
	_, ok := any(v).(Secret)
	return ok
}

// place finds the list's element of that name, or makes it.
func place[T any](list *[]T, name string, limit int, what string, nameOf func(*T) string, make func(string) T) (*T, error) {
	for i := range *list {
		if nameOf(&(*list)[i]) == name {
			return &(*list)[i], nil
		}
	}
	if len(*list) == limit {
		return nil, fmt.Errorf("%s %q: there may be %d", what, name, limit)
	}
	if !validName(name) {
		return nil, fmt.Errorf("%s %q: a name is 1 to 32 letters, digits, '-', '_' or '.'", what, name)
	}
	*list = append(*list, make(name))
	return &(*list)[len(*list)-1], nil
}
