package correlate_test

import (
	"crypto/tls"
	"fmt"
	"testing"
	"time"

	"heptap/capture/capturetest/tlstalk"
	"heptap/capture/correlate"
	tcp "heptap/capture/stream"
	"heptap/capture/tlswire"
)

// heard watches a conversation and returns what is known of it.
func heard(events []tlstalk.Event) *correlate.TLSInfo {
	var s tlswire.Session
	for _, e := range events {
		s.Write(e.Dir, e.Octets)
		if e.FIN {
			s.End(e.Dir, tlswire.FIN)
		}
	}
	return &correlate.TLSInfo{Info: s.Info()}
}

// The record of a handshake says what an engineer asks first: which version, what
// for, whose certificate, until when, and what is wrong with it.
func TestConnectionOfTLS(t *testing.T) {
	cast := tlstalk.NewCast(t)
	expired := cast.Serve(tls.VersionTLS12)
	expired.Certificates = []tls.Certificate{cast.Expired}
	anybody := cast.Client(tls.VersionTLS12)
	anybody.InsecureSkipVerify, anybody.ServerName = true, "other.example.com"
	for _, tt := range []struct {
		name           string
		client, server *tls.Config
		want           map[string]string
	}{
		{"good", cast.Client(tls.VersionTLS12), cast.Serve(tls.VersionTLS12), map[string]string{
			"Protocol": "TLS", "Event": "CONNECTED", "Status": "SUCCESS", "Message": "Connection opened", "event": "TLS opened", "state": "opened",
			"tls_outcome": "established", "tls_version": "TLS 1.2", "sni": "pbx.example.com", "alpn": "sip", "alpn_offered": "[sip h2]",
			"server-subject": "/O=Example/CN=pbx", "server-issuer": "/O=Heptap/CN=Root", "server_chain": "2",
			"server_names": "[pbx.example.com *.voip.example.com sip:example.com]", "server_not_after": "2027-01-01T00:00:00Z",
			"server_days_left": "213.5", "server_certificate_faults": "<nil>", "client_certificate_asked": "no", "tls_stage": "<nil>"}},
		{"expired, and another's name", anybody, expired, map[string]string{
			"Status": "SUCCESS", "server_certificate_faults": "expired, wrong name", "server_not_after": "2026-02-01T00:00:00Z", "server_days_left": "-120.5"}},
		{"refused", cast.Client(tls.VersionTLS12), expired, map[string]string{
			"Event": "CONNECTED", "Status": "FAILURE", "event": "TLS failed", "state": "failed",
			"Message":     "TLS handshake failed: bad_certificate (fatal) from the client after server's flight",
			"tls_outcome": "failed by alert", "tls_alerts": "[bad_certificate (fatal) from the client after server's flight]", "tls_stage": "server's flight"}},
		{"refused in TLS 1.3", cast.Client(tls.VersionTLS13), &tls.Config{Certificates: []tls.Certificate{cast.Expired}}, map[string]string{
			"Status": "FAILURE", "tls_version": "TLS 1.3", "server_chain": "<nil>",
			"Message": "TLS handshake failed: aborted by the client after the server's flight (inferred)"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, withNet)
			r.now = tlstalk.Now.UnixNano() + sec - 3e6
			n := r.connection(5)
			n.Transport, n.TLS = correlate.TLS, heard(tlstalk.Converse(tt.client, tt.server))
			r.c.Opened(n)
			got := r.nets()[0].report
			for k, want := range tt.want {
				if fmt.Sprint(got[k]) != want {
					t.Errorf("%s: %v, want %v", k, got[k], want)
				}
			}
		})
	}
}

// Its end says who broke it off, and how fast the server was whose answers cannot be read.
func TestEndOfTLS(t *testing.T) {
	r := newRig(t, withNet)
	n := r.connection(5)
	n.Transport = correlate.TLS
	n.TLS = &correlate.TLSInfo{Info: tlswire.Info{Outcome: tlswire.Established, EncryptedServer: 1,
		Alerts: []tlswire.Alert{{From: tlswire.Server, Level: tlswire.Fatal, Description: 45, After: tlswire.ClientFlight}}},
		Turns: correlate.Turns{Answers: 4, Sum: int64(100 * time.Millisecond), Max: int64(70 * time.Millisecond)}}
	n.Ending = tcp.Ending{FIN: [2]bool{true, true}, First: 1, Reset: -1, At: tcp.Meta{Wall: r.now, Mono: r.now}}
	r.c.Opened(n)
	r.c.Closed(n, tcp.FIN)
	got := r.nets()[1].report
	for k, want := range map[string]string{"Event": "CLOSED", "event": "TLS closed", "reason": "fin", "ended_by": "server",
		"Message": "Closed after the TLS alert certificate_expired from the server", "tls_encrypted_alerts_server": "1",
		"answers": "4", "answer_ms_mean": "25", "answer_ms_max": "70"} {
		if fmt.Sprint(got[k]) != want {
			t.Errorf("%s: %v, want %v", k, got[k], want)
		}
	}
}

// A WebSocket inside TLS is named as what tells of it, in the record of its end too.
func TestConnectionOfWSS(t *testing.T) {
	cast := tlstalk.NewCast(t)
	for by, want := range map[correlate.WSSBy]string{correlate.WSSByAgent: "agent", correlate.WSSByPort: "port and alpn"} {
		r := newRig(t, withNet)
		n := r.connection(5)
		n.Transport, n.TLS = correlate.WSS, heard(tlstalk.Converse(cast.Client(tls.VersionTLS12), cast.Serve(tls.VersionTLS12)))
		n.TLS.WSS = by
		r.c.Opened(n)
		r.c.Closed(n, tcp.FIN)
		for i, event := range []string{"WSS opened", "WSS closed"} {
			if g := r.nets()[i].report; g["Protocol"] != "WSS" || g["event"] != event || g["wss_by"] != want {
				t.Errorf("%s: %v", event, g)
			}
		}
	}
}
