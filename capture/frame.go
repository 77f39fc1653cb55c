package capture

// LinkType says how a frame begins. The values are those of the pcap
// LINKTYPE_ registry (https://www.tcpdump.org/linktypes.html).
type LinkType uint16

// The link types decode understands.
const (
	LinkNull      LinkType = 0   // BSD loopback, address family in host order
	LinkEthernet  LinkType = 1   // Ethernet II, 802.3
	LinkRaw12     LinkType = 12  // raw IP, as some BSDs number it
	LinkRaw14     LinkType = 14  // raw IP, as others do
	LinkRaw       LinkType = 101 // raw IP, version from the first nibble
	LinkLoop      LinkType = 108 // OpenBSD loopback, address family in network order
	LinkLinuxSLL  LinkType = 113 // Linux cooked capture v1
	LinkIPv4      LinkType = 228 // raw IPv4
	LinkIPv6      LinkType = 229 // raw IPv6
	LinkLinuxSLL2 LinkType = 276 // Linux cooked capture v2
)

// Frame is one layer 2 frame as a Source delivers it.
type Frame struct {
	Data   []byte   // borrowed until the next Read on the frame's Source
	Length int      // octets on the wire; more than len(Data) when cut short
	Wall   int64    // capture time, Unix nanoseconds
	Mono   int64    // the same instant on the monotonic clock, nanoseconds
	Link   LinkType // how Data begins
	Port   uint8    // index of the mirror port, as configured
	// Hidden says that the user's capture filter hides the frame, and that it is
	// here as a sample of what is hidden: to be counted, and nothing else.
	Hidden bool

	// The kernel strips the outermost VLAN tag and hands it over beside the
	// frame (packet(7), TP_STATUS_VLAN_VALID). When HasVLAN is set, VLANTCI
	// and VLANTPID are that tag and Data does not hold it.
	HasVLAN  bool
	VLANTCI  uint16
	VLANTPID uint16
}

// Source delivers frames in the order they were captured. It has one reader.
type Source interface {
	// Read fills frames from the front and returns how many it filled. The
	// frames' Data is borrowed until the next Read or Close. n == 0 with a
	// nil error means that nothing arrived for a while (the source's poll
	// interval): the caller looks at its context and calls again. At the end
	// of a file the error is io.EOF; it comes alone, never with frames.
	Read(frames []Frame) (n int, err error)

	// Stats returns running totals. It may be called from any goroutine.
	Stats() Stats

	// Close releases the source. Only the reader may call it.
	Close() error
}

// Stats are a source's running totals since it was opened.
type Stats struct {
	Received    uint64 // frames the kernel (or file) had for us, drops included
	KernelDrops uint64 // frames the kernel could not store: the ring was full
	Freezes     uint64 // times the ring was found full
	Reopens     uint64 // times the interface went away and came back
}
