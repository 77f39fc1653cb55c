package kamailio

import (
	"context"
	_ "embed"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"

	"heptap/scripts/lab"
)

//go:embed relay.cfg
var relayConfig string

// Where a Kamailio of StartRelay listens, at its host's address.
const (
	RelaySIP = "5060" // UDP and TCP
	RelayTLS = "5061"
	RelayWeb = "8080" // WebSocket, and JSON-RPC over HTTP at /RPC
	RelayRPC = "8060" // JSON-RPC over UDP
)

// Relay says what a Kamailio of StartRelay works with. relay.cfg says which
// numbers are whose.
type Relay struct {
	Callees string // the address of the host that answers, at 5060 over UDP and 5070 over TCP
	Router  string // address and port of the HTTP server that is asked about each call

	// Certificate has a certificate and its key, in PEM; Others are those for
	// clients that ask for a server by name (SNI).
	Certificate []byte
	Others      map[string][]byte

	Log io.Writer // gets Kamailio's log, too
}

// StartRelay starts Kamailio as a proxy on a host.
func StartRelay(ctx context.Context, l *lab.Lab, h *lab.Host, p Relay) (*Server, error) {
	for _, m := range []struct{ name, pkg string }{{"tls", "kamailio-tls-modules"}, {"websocket", "kamailio-websocket-modules"}, {"http_client", "kamailio-utils-modules"}} {
		if _, err := module(m.name, m.pkg); err != nil {
			return nil, err
		}
	}
	modules, err := module("tcpops", "kamailio")
	if err != nil {
		return nil, err
	}
	host := h.Addr.String()
	text := strings.NewReplacer("@HOST@", host, "@CALLEES@", p.Callees, "@ROUTER@", p.Router).Replace(relayConfig)
	i := instance{config: text, modules: modules, dir: filepath.Join(l.Dir(), "kamailio-relay"), log: p.Log}
	i.prepare = func() error { return p.certificates(i.dir, net.JoinHostPort(host, RelayTLS)) }
	return launch(ctx, l, h, net.JoinHostPort(host, RelaySIP), i)
}

// certificates writes what the TLS module reads (tls.cfg: a profile for each name).
func (p *Relay) certificates(dir, addr string) error {
	var text strings.Builder
	var errs []error
	profile := func(head, name string, pem []byte) {
		file := filepath.Join(dir, name+".pem")
		errs = append(errs, os.WriteFile(file, pem, 0o600))
		text.WriteString(head + "\nmethod = TLSv1.2+\nverify_certificate = no\nrequire_certificate = no\ncertificate = " + file + "\nprivate_key = " + file + "\n")
	}
	profile("[server:default]", "default", p.Certificate)
	for name, pem := range p.Others {
		profile("[server:"+addr+"]", name, pem)
		text.WriteString("server_name = " + name + "\n")
	}
	text.WriteString("[client:default]\nverify_certificate = no\nrequire_certificate = no\n")
	return errors.Join(append(errs, os.WriteFile(filepath.Join(dir, "tls.cfg"), []byte(text.String()), 0o600))...)
}
