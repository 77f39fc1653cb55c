package config

import (
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"strings"
	"time"

	"heptap/firmware/internal/trace"
)

// Config is a whole, validated configuration. It is a value: nothing in it is
// changed after Parse has returned it.
type Config struct {
	System    System
	Uplink    Uplink
	Ports     []Port      // mirror ports, in the order they were first named
	Collector []Collector // at most MaxCollectors
	Delivery  Delivery
	Spool     Spool
	Metrics   Metrics
	Decode    Decode
	Streams   Streams
	Media     Media
	Records   Records
	Recent    Recent
	Packets   Packets
	Calls     Calls
	Trace     trace.Config // what is kept of all that
	Privacy   Privacy
	Time      Time
	Intake    Intake
	Syslog    Syslog
}

// Limits of the lists above.
const (
	MaxPorts      = 8
	MaxCollectors = 8
)

// System names the device.
type System struct {
	Node    string // HEP chunk 0x13; empty means the host's name
	AgentID uint32 // HEP chunk 0x0c
	Board   string // a name from package board
	Console string // unix socket of the shell; empty means ConsoleSocket in the spool's directory, "off" none

	StatusInterval time.Duration // between status records; 0 is off

	UpgradeFrom string    // URL of an update that is taken whenever it is newer; empty: none
	UpgradeAt   TimeOfDay // when that is looked for
}

// TimeOfDay is in UTC, in minutes since midnight.
type TimeOfDay uint16

// String returns it as HH:MM.
func (t TimeOfDay) String() string { return fmt.Sprintf("%02d:%02d", t/60, t%60) }

// ConsoleSocket is the name of the shell's socket unless another is configured.
const ConsoleSocket = "console.sock"

// ConsolePath returns where the shell's socket is, or "" for none.
func (c *Config) ConsolePath() string {
	switch c.System.Console {
	case "":
		return filepath.Join(c.Spool.Path, ConsoleSocket)
	case "off":
		return ""
	}
	return c.System.Console
}

// Port is one mirror port.
type Port struct {
	Name       string // as the configuration calls it
	Interface  string // network device
	RingSize   int64  // octets per ring
	BlockSize  int64  // octets per ring block
	Rings      int    // rings the port's frames are spread over (PACKET_FANOUT) when above 1
	Filter     string // what to capture, empty means everything
	LinkSetup  bool   // bring the interface up as a mirror port: no address, no ARP, no merging offloads
	Retire     time.Duration
	SnapLength int64 // octets kept of a frame, 0 means all
	Timestamps Timestamps
}

// Timestamps is which clock says when a frame came.
type Timestamps string

// The clocks.
const (
	TimestampsSoftware Timestamps = "software" // the system's
	TimestampsHardware Timestamps = "hardware" // the network card's
)

// Transport is how a collector is reached.
type Transport string

// The transports.
const (
	TCP     Transport = "tcp"
	UDP     Transport = "udp"
	TLS     Transport = "tls"
	NATS    Transport = "nats"     // JetStream
	NATSTLS Transport = "nats-tls" // the same over TLS
)

// NATS reports whether records go to a stream of NATS JetStream.
func (t Transport) NATS() bool { return t == NATS || t == NATSTLS }

// Secure reports whether it is over TLS.
func (t Transport) Secure() bool { return t == TLS || t == NATSTLS }

// Order says whether live records may overtake the backlog.
type Order string

// The orders.
const (
	OrderLive   Order = "live"
	OrderStrict Order = "strict"
)

// The profiles.
const (
	OpenSIPS = "opensips"
	Homer7   = "homer7"
)

// What HEP chunk 0x02 says of what goes over TCP.
const (
	NumbersSeen     = "seen"
	NumbersIP       = "ip"
	NumbersOpenSIPS = "opensips"
)

// Collector is a HEP server records are sent to, or a stream of NATS JetStream.
type Collector struct {
	Name      string
	Address   string // host:port, or the name of SRV records; of NATS servers several, with commas between them
	Transport Transport
	TLS       CollectorTLS
	NATS      CollectorNATS
	Source    netip.Addr // to send from; invalid leaves it to the kernel
	Interface string     // to send by; empty leaves it to the kernel
	DSCP      int
	AuthKey   Secret // HEP chunk 0x0e
	Profile   string // what the server understands: OpenSIPS or Homer7
	Numbers   string // what chunk 0x02 says of what goes over TCP: see NumbersSeen
	Inferred  bool   // profile homer7: inferred links count
	Sequence  bool   // number every frame
	Clock     bool   // say in every frame what is known of the clock
	Order     Order
	DrainRate int           // records per second of backlog, 0 means what the profile says
	MaxAge    time.Duration // of what is sent, 0 means what the profile says and less than 0 any
	Stall     time.Duration // a write that makes no progress for so long means down
	MaxFrame  int64         // octets a HEP packet may have; SIP is cut to it
	Filter    Filter
}

// Filter says which of the records that are kept a collector gets.
type Filter struct {
	Rules   []trace.Rule // the first that matches wins; they may name the groups of Trace
	Default trace.Action
}

// FilterOf returns what decides which records the collector gets.
func (c *Config) FilterOf(k *Collector) trace.Config {
	return trace.Config{Default: k.Filter.Default, Groups: c.Trace.Groups, Rules: k.Filter.Rules}
}

// CollectorTLS says how a collector proves who it is, and what it is shown.
type CollectorTLS struct {
	Name             string // what its certificate must name; empty is the host of its address
	CA               string // file; empty is the system's authorities
	Pins             List
	Certificate, Key string // files
}

// CollectorNATS says how messages are named, and who sends them.
type CollectorNATS struct {
	Subject     string // what subjects begin with
	Partitions  int    // of calls, the last token of the subject; 1 is without
	User        string
	Password    Secret
	Token       Secret
	Credentials string // file
}

// Spool is where records wait while the collector cannot take them.
type Spool struct {
	Path    string        // directory
	MaxSize int64         // octets of the spool file
	MaxAge  time.Duration // of the records in it; 0 is off
	Memory  int64         // octets of the log's memory tier
	Shed    List          // names of record classes that go first when space runs short; "none" for none
}

// Metrics is the Prometheus endpoint.
type Metrics struct {
	Listen netip.AddrPort // invalid means off
}

// Duplicates says what becomes of mirrored copies of a packet.
type Duplicates string

// What may become of them. Copies of what is reassembled (TCP, SCTP) and of RTP
// are never counted twice, unless it is DuplicatesOff.
const (
	DuplicatesDrop Duplicates = "drop"
	DuplicatesMark Duplicates = "mark" // forwarded, with a mark
	DuplicatesOff  Duplicates = "off"  // not looked for
)

// OnWireHEP says what becomes of HEP packets seen on a mirror port.
type OnWireHEP string

// What may become of them.
const (
	HEPSkip   OnWireHEP = "skip"
	HEPUnwrap OnWireHEP = "unwrap" // the SIP inside is taken for seen
)

// Decode is about packets.
type Decode struct {
	Duplicates      Duplicates
	DuplicateWindow time.Duration // how late a copy may be
	HEP             OnWireHEP
	FragmentMemory  int64 // octets of datagrams that wait for fragments
}

// Streams is about TCP connections.
type Streams struct {
	Connections int   // followed at once
	Memory      int64 // octets that wait for what is missing before them
	Idle        time.Duration
}

// Records says which kinds of records are made besides those of calls.
type Records struct {
	Net      NetRecords // of transport connections
	ISUP     bool       // of ISUP in SIGTRAN and in SIP
	Log      LogRecords
	NG       bool // of what media proxies are told
	DNS      bool // of questions for SIP
	MI       bool // of management commands
	MIFilter MIFilter

	REST        RESTRecords
	RESTBodies  bool
	RESTHeaders List

	CallKeys List // of all kinds of records

	Links   Links
	Servers List // CIDRs of hosts that are SIP servers, whatever they are seen to do
}

// ServerPrefixes returns the networks of Servers.
func (r *Records) ServerPrefixes() []netip.Prefix { return r.Servers.prefixes() }

// Links says which links to calls are told.
type Links string

// Which links.
const (
	LinksInferred Links = "inferred" // those that numbers and times show, too
	LinksSeen     Links = "seen"     // those that an id on the wire says
)

// Recent bounds the newest records that are held in memory to be looked at.
type Recent struct {
	Memory int64         // octets of records, 0 means none
	Age    time.Duration // how much older than the newest
}

// Packets bounds the frames that are held in memory, and the files that are made of
// them and of support bundles.
type Packets struct {
	Memory int64         // octets of frames, 0 means none
	Pins   int           // marks that are held at once
	After  time.Duration // how much of what follows a mark is held with it
	Files  int64         // octets of files
}

// FilesPath returns the directory of the files.
func (c *Config) FilesPath() string { return filepath.Join(c.Spool.Path, "files") }

// NetRecords says of which connections there are records.
type NetRecords string

// Of which connections.
const (
	NetOn  NetRecords = "on"  // those for SIP, and those that queries and commands go over that are recorded
	NetSIP NetRecords = "sip" // only those for SIP
	NetOff NetRecords = "off"
)

// RESTRecords says of which queries over HTTP there are records.
type RESTRecords string

// Of which queries.
const (
	RESTServers RESTRecords = "servers" // those that SIP servers send
	RESTAll     RESTRecords = "all"
	RESTOff     RESTRecords = "off"
)

// LogRecords says of which lines of logs there are records.
type LogRecords string

// Of which lines.
const (
	LogLinked LogRecords = "linked" // those that name a call
	LogAll    LogRecords = "all"
	LogOff    LogRecords = "off"
)

// MIFilter says which management commands there are records of, by platform:
// lists as package mi reads them, empty for every command.
type MIFilter struct{ OpenSIPS, Kamailio, FreeSWITCH, Asterisk string }

// Media is about RTP and RTCP.
type Media struct {
	ReportInterval time.Duration // between interval reports of a stream, 0 means final reports only
	Events         bool          // records of one-way audio, and of RTP that stops and resumes
	Unknown        bool          // export streams that belong to no known call
	Streams        int           // streams per ring that are counted at once
}

// Calls bounds what is remembered of signalling.
type Calls struct {
	LegHeaders List // header fields with the Call-ID of a call's first leg
	Max        int
	Idle       time.Duration // an established call without signalling and media is forgotten after this
}

// List is several values in one option, with commas or blanks between them.
type List string

// Items returns the values.
func (l List) Items() []string {
	return strings.FieldsFunc(string(l), func(r rune) bool { return r == ',' || r == ' ' || r == '\t' })
}

// prefixes returns the values of a list of CIDRs.
func (l List) prefixes() (out []netip.Prefix) {
	for _, s := range l.Items() {
		if p, err := parsePrefix(s); err == nil { // checked when it was read
			out = append(out, p)
		}
	}
	return out
}

// Privacy says what records do not tell of people.
type Privacy struct {
	Secret      Secret // numbers and names become pseudonyms by it; empty: they stay
	Keep        List   // of these, those that stay
	Bodies      bool   // bodies are blanked
	Credentials bool   // and credentials
}

// Time is about the wall clock.
type Time struct {
	Servers List          // that are asked by NTP; none: somebody else keeps the clock
	Hold    time.Duration // how long records wait for the first answer
}

// RESTPorts says what becomes of the ports in OpenSIPS's records of HTTP.
type RESTPorts string

// What may become of them.
const (
	RESTPortsSwap RESTPorts = "swap" // they are in the host's order
	RESTPortsKeep RESTPorts = "keep"
)

// Intake is where HEP of other agents is taken in.
type Intake struct {
	UDP, TCP, TLS    List // addresses to listen on; none in all of them means off
	Certificate, Key string
	ClientCA         string
	AuthKey          Secret
	Allow            List // CIDRs; none means anybody
	Connections      int
	Delimiter        string
	RESTPorts        RESTPorts
}

// On reports whether there is anything to listen on.
func (i *Intake) On() bool { return i.UDP != "" || i.TCP != "" || i.TLS != "" }

// Prefixes returns the senders allowed.
func (i *Intake) Prefixes() []netip.Prefix { return i.Allow.prefixes() }

// Secret is a string that does not show itself in logs.
type Secret string

// String returns a placeholder, never the secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "redacted"
}

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// Default returns the configuration of an empty file.
func Default() Config {
	return Config{
		System:   System{AgentID: 2001, Board: "generic", UpgradeAt: 3 * 60},
		Uplink:   Uplink{IPv6: IPv6{Auto: true}},
		Delivery: Delivery{Arrangement: Mirror, FailBack: time.Minute},
		Spool:    Spool{Path: "/var/lib/heptap", MaxSize: 1 << 30, Memory: 32 << 20, Shed: "periodic,keepalive,log,routine,query,final"},
		Decode:   Decode{Duplicates: DuplicatesDrop, DuplicateWindow: 50 * time.Millisecond, HEP: HEPSkip, FragmentMemory: 4 << 20},
		Streams:  Streams{Connections: 32768, Memory: 16 << 20, Idle: 4 * time.Hour},
		Media:    Media{ReportInterval: time.Minute, Events: true, Streams: 32768},
		Records:  Records{Net: NetOn, ISUP: true, Log: LogLinked, NG: true, DNS: true, MI: true, REST: RESTServers, Links: LinksInferred},
		Recent:   Recent{Memory: 2 << 20, Age: 30 * time.Minute},
		Packets:  Packets{Memory: 4 << 20, Pins: 2, After: 10 * time.Second, Files: 64 << 20},
		Time:     Time{Hold: 5 * time.Minute},
		Intake:   Intake{Connections: 64, Delimiter: ":", RESTPorts: RESTPortsSwap},
		Calls:    Calls{LegHeaders: "X-CID", Max: 50000, Idle: 2 * time.Hour},
		Trace:    trace.Config{Default: trace.Allow},
	}
}

// DefaultRingSize is that of a mirror port.
const DefaultRingSize = 64 << 20

func defaultPort(name string) Port {
	return Port{Name: name, RingSize: DefaultRingSize, BlockSize: 256 << 10, Rings: 1, LinkSetup: true,
		Retire: 10 * time.Millisecond, Timestamps: TimestampsSoftware}
}

func defaultCollector(name string) Collector {
	return Collector{Name: name, Transport: TCP, Profile: OpenSIPS, Numbers: NumbersSeen, Order: OrderLive, Stall: 10 * time.Second,
		NATS:   CollectorNATS{Subject: "heptap", Partitions: 1},
		Filter: Filter{Default: trace.Allow}}
}
