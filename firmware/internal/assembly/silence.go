package assembly

import (
	"math"

	"heptap/capture"
)

// silence is how long nobody has said anything when a connection ends: the time that tells
// of a timer. All is in milliseconds since the connection began.
type silence struct {
	spoke  uint32 // when the last octets came
	before uint32 // how long nothing had come before the last burst of them
	over   uint32 // when the first FIN came, plus one
	burst  uint16 // octets of that burst, as far as it is a farewell
}

const (
	burstGap = 1000 // between bursts at least, ms
	// farewell is the most octets that do not end a silence of TLS and WebSocket: those close
	// with an alert (RFC 8446 6.1) or a frame (RFC 6455 5.5.1).
	farewell = 96
)

// said takes in that n octets came at at.
func (s *silence) said(at uint32, n int) {
	if at >= s.spoke && at-s.spoke >= burstGap {
		s.before, s.burst = at-s.spoke, 0
	}
	s.spoke = max(s.spoke, at)
	s.burst = uint16(min(int(s.burst)+n, farewell+1))
}

// until returns how long it is at the end, or was at the first FIN.
func (s *silence) until(end uint32, farewells bool) int64 {
	if s.over != 0 {
		end = s.over - 1
	}
	quiet := max(end, s.spoke) - s.spoke
	if farewells && quiet < burstGap && s.burst <= farewell {
		quiet = s.before
	}
	return int64(quiet) * 1e6
}

// since returns how long after c began mono is, ms.
func (c *connection) since(mono int64) uint32 {
	return uint32(min(max(mono-c.stream.Attempt().Began.Mono, 0)/1e6, math.MaxUint32-1))
}

// silent returns how long nothing had been said at the end, ns.
func (c *connection) silent() int64 {
	_, proto := c.conn.Verdict()
	return c.silence.until(c.since(c.stream.Ending().At.Mono), proto == capture.TLS || c.conn.IsWebSocket())
}
