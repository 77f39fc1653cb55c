package correlate

import (
	"strings"
	"time"

	"heptap/capture/tlswire"
)

// tls appends what the handshake of TLS said. Certificates are held against
// wall, the time of the packet. OpenSIPS's names of subject and issuer come first in each
// certificate (proto_tls, trace_tls: client-subject, server-issuer, ...).
func (o *object) tls(i *TLSInfo, wall int64) {
	if i == nil {
		return
	}
	if i.WSS != 0 {
		o.text("wss_by", i.WSS.String())
	}
	o.text("tls_outcome", i.Outcome.String())
	if !i.Outcome.OK() {
		o.text("tls_stage", i.Stage.String())
	}
	if i.Version != 0 {
		o.text("tls_version", i.Version.String())
		o.text("tls_cipher", i.Suite.String())
		if i.Group != 0 {
			o.text("tls_group", i.Group.String())
		}
		if i.Resumed != tlswire.Unknown {
			o.text("tls_resumed", i.Resumed.String())
		}
	} else {
		o.texts("tls_offered", len(i.Offered), func(n int) string { return i.Offered[n].String() })
	}
	o.words("sni", i.SNI)
	o.words("alpn", i.ALPN)
	o.texts("alpn_offered", len(i.ALPNOffered), func(n int) string { return i.ALPNOffered[n] })
	for _, f := range []struct {
		key string
		on  bool
	}{{"ech", i.ECH}, {"early_data", i.EarlyData}, {"hello_retry", i.HelloRetry}, {"tls_incomplete", i.Incomplete}} {
		if f.on {
			o.bool(f.key, true)
		}
	}
	o.words("ja3", i.JA3)
	o.words("ja3s", i.JA3S)
	o.words("ja4", i.JA4)
	if !i.Trimmed {
		o.certificate("server", i.ServerCert, wall, i.SNI)
	}
	if i.ClientAuth != tlswire.Unknown {
		o.text("client_certificate_asked", i.ClientAuth.String())
	}
	if !i.Trimmed {
		o.certificate("client", i.ClientCert, wall, "")
	}
	o.alerts(i)
}

// alerts appends those in clear: who, what, when.
func (o *object) alerts(i *TLSInfo) {
	if len(i.Alerts) == 0 {
		return
	}
	o.texts("tls_alerts", len(i.Alerts), func(n int) string {
		a := i.Alerts[n]
		text := a.Description.String() + " (" + a.Level.String() + ") from the " + a.From.String() + " after " + a.After.String()
		if a.Late {
			text += ", when the other side had closed"
		}
		return text
	})
	if i.MoreAlerts > 0 {
		o.int("tls_alerts_more", int64(i.MoreAlerts))
	}
}

// certificate appends what is known of one side's.
func (o *object) certificate(who string, c *tlswire.Certificate, wall int64, name string) {
	if c == nil {
		return
	}
	if c.Chain == 0 {
		o.text(who+"_certificate", "none")
		return
	}
	o.int(who+"_chain", int64(c.Chain))
	if c.Understood {
		o.words(who+"-subject", distinguished(c.SubjectCN, c.SubjectO))
		o.words(who+"-issuer", distinguished(c.IssuerCN, c.IssuerO))
		const few = 8
		names := append(append([]string(nil), c.DNSNames[:min(len(c.DNSNames), few)]...), c.URIs[:min(len(c.URIs), few)]...)
		o.texts(who+"_names", len(names), func(n int) string { return names[n] })
		o.text(who+"_not_before", c.NotBefore.UTC().Format(time.RFC3339))
		o.text(who+"_not_after", c.NotAfter.UTC().Format(time.RFC3339))
		o.float(who+"_days_left", float64(c.NotAfter.Unix()-wall/int64(time.Second))/86400)
	}
	if faults := c.Check(time.Unix(0, wall), name); faults != 0 {
		o.text(who+"_certificate_faults", faults.String())
	}
}

// distinguished writes a name as OpenSSL's one line does.
func distinguished(cn, org string) string {
	var b strings.Builder
	if org != "" {
		b.WriteString("/O=" + org)
	}
	if cn != "" {
		b.WriteString("/CN=" + cn)
	}
	return b.String()
}

// tlsEnd appends what only the end of a connection tells.
func (o *object) tlsEnd(i *TLSInfo, end int64) {
	if i == nil {
		return
	}
	if i.WSS != 0 {
		o.text("wss_by", i.WSS.String())
	}
	o.alerts(i)
	if i.EncryptedClient+i.EncryptedServer > 0 {
		o.int("tls_encrypted_alerts_client", int64(i.EncryptedClient))
		o.int("tls_encrypted_alerts_server", int64(i.EncryptedServer))
	}
	if t := i.Turns; t.Answers > 0 {
		o.int("answers", t.Answers)
		o.float("answer_ms_mean", ms(t.Sum/t.Answers))
		o.float("answer_ms_max", ms(t.Max))
	}
	if w := i.Turns.Waits; w != 0 {
		o.float("unanswered_ms", ms(max(end-w, 0)))
	}
}

// alertEnds returns the alert in clear that came last, and from whom.
func (n *Connection) alertEnds() (by, alert string) {
	if n.TLS == nil {
		return "", ""
	}
	a, ok := n.TLS.LastAlert()
	if !ok {
		return "", ""
	}
	return a.From.String(), a.Description.String()
}

// words appends a text from the wire, if there is one.
func (o *object) words(k, v string) {
	if v != "" {
		o.bytes(k, []byte(v))
	}
}

// texts appends an array of such.
func (o *object) texts(k string, n int, at func(int) string) {
	if n == 0 {
		return
	}
	o.list(k, func(yield func([]byte) bool) {
		for i := range n {
			if !yield([]byte(at(i))) {
				return
			}
		}
	})
}
