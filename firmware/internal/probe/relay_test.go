package probe

import (
	"testing"

	"heptap/capture"
	"heptap/firmware/internal/assembly"
	"heptap/firmware/internal/intake"
)

// That SIP came in a WebSocket, the agent's protocol number says, or the Via of the hop.
func TestInside(t *testing.T) {
	for _, tt := range []struct {
		proto    uint8
		protocol capture.Protocol
		start    string
		via      string
		want     assembly.Inside
	}{
		{22, capture.SIP, "INVITE sip:a@b SIP/2.0", "SIP/2.0/WSS x.invalid;branch=z9hG4bK1", assembly.WebSocket},
		{6, capture.SIP, "SIP/2.0 200 OK", "SIP / 2.0 / wss x.invalid;branch=z9hG4bK1", assembly.WebSocket},
		{22, capture.SIP, "INVITE sip:a@b SIP/2.0", "SIP/2.0/WS x.invalid;branch=z9hG4bK1", assembly.WebSocket},
		{50, capture.SIP, "INVITE sip:a@b SIP/2.0", "SIP/2.0/TLS x;branch=z9hG4bK1", assembly.WebSocket},
		{22, capture.SIP, "INVITE sip:a@b SIP/2.0", "SIP/2.0/TLS x;branch=z9hG4bK1, SIP/2.0/WSS y.invalid;branch=z9hG4bK2", assembly.SIP},
		{22, capture.SIP, "INVITE sip:a@b SIP/2.0", "SIP/2.0/WSSX x;branch=z9hG4bK1", assembly.SIP},
		{22, capture.SIP, "no SIP", "", assembly.SIP},
		{50, capture.RTCP, "", "", assembly.Nothing},
		{50, capture.Unknown, "", "", assembly.Nothing},
	} {
		it := &intake.Item{}
		it.Message.Protocol, it.Record.Flow.Proto = tt.protocol, tt.proto
		it.Message.Payload = []byte(tt.start + "\r\nVia: " + tt.via + "\r\nCall-ID: x\r\n\r\n")
		if got := inside(it); got != tt.want {
			t.Errorf("%d, %s, %s: %v, want %v", tt.proto, tt.start, tt.via, got, tt.want)
		}
	}
}
