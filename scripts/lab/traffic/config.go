package traffic

import (
	"fmt"
	"net/netip"
	"time"
)

// Space is where sockets are opened: a network namespace.
type Space interface {
	Do(func() error) error
}

// Side is one of the two hosts. SIP is on port 5060.
type Side struct {
	Space Space
	Addr  netip.Addr
}

// Config says what calls to make.
type Config struct {
	Caller, Callee Side
	Calls          int
	Spread         time.Duration // the calls begin evenly within it
	Talk           time.Duration // of each call; RTP is sent for so long
	RTCPInterval   time.Duration // 0: no RTCP
	Twice          int           // every so many-th INVITE is sent twice at once, as by a nervous sender; 0: none
	FirstPort      uint16        // of the media, four ports a call at each side
	Seed           uint32        // of SSRCs and first sequence numbers
}

const (
	sipPort   = 5060
	portsEach = 4
)

func (c *Config) check() error {
	if c.Calls < 1 || c.FirstPort%2 != 0 || int(c.FirstPort)+c.Calls*portsEach > 1<<16 {
		return fmt.Errorf("traffic: %d calls on ports from %d", c.Calls, c.FirstPort)
	}
	return nil
}

// MediaPorts returns the first and last UDP port of RTP and RTCP.
func (c *Config) MediaPorts() (first, last uint16) {
	return c.FirstPort, c.FirstPort + uint16(c.Calls*portsEach) - 1
}

// Message is one SIP message that was sent.
type Message struct {
	CallID string         `json:"call_id"`
	CSeq   string         `json:"cseq"`
	What   string         `json:"what"` // method or status
	Src    netip.AddrPort `json:"src"`
	Text   string         `json:"-"`
}

// Stream is one direction of a call's RTP, and the RTCP of its sender.
type Stream struct {
	CallID  string         `json:"call_id"`
	Src     netip.AddrPort `json:"src"`
	Dst     netip.AddrPort `json:"dst"`
	SSRC    uint32         `json:"ssrc"`
	Codec   string         `json:"codec"`
	Sent    uint64         `json:"sent"`
	Reports uint64         `json:"rtcp_reports"` // SR packets, one in each compound
	Control uint64         `json:"rtcp_packets"` // RTCP packets of any type

	Received uint64 `json:"received"` // by the other side, copies included
	Distinct uint64 `json:"distinct"` // copies left out
	RTCPIn   uint64 `json:"rtcp_in"`  // RTCP datagrams the other side received
}

// Report is everything that was sent.
type Report struct {
	Calls    int       `json:"calls"`  // that were set up and ended as they should
	Failed   []string  `json:"failed"` // why the others were not
	Messages []Message `json:"messages"`
	Streams  []Stream  `json:"streams"`
}
