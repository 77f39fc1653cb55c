package scenario

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"heptap/scripts/lab"
)

// router is the HTTP server that knows where calls go.
type router struct {
	server *http.Server

	mu    sync.Mutex // guards asked
	asked []asked
}

// asked is what the router notes of a query.
type asked struct {
	method, target string
	from           netip.AddrPort
	callID         string // as it says in a field or in the body, "" where it does not
	status         int
}

// startRouter starts one on a host.
func startRouter(l *lab.Lab, h *lab.Host, addr string) (*router, error) {
	r := &router{}
	var in net.Listener
	err := h.Do(func() (err error) {
		in, err = net.Listen("tcp", addr)
		return err
	})
	if err != nil {
		return nil, err
	}
	r.server = &http.Server{Handler: r, ReadHeaderTimeout: patience}
	go func() { _ = r.server.Serve(in) }() // it says that it was closed
	l.OnClose(r.server.Close)
	return r, nil
}

// ServeHTTP implements http.Handler.
func (r *router) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	from, _ := netip.ParseAddrPort(req.RemoteAddr) // net/http has made it
	a := asked{from: from, method: req.Method, target: req.RequestURI, callID: req.Header.Get("X-Call-ID"), status: http.StatusOK}
	body, err := io.ReadAll(io.LimitReader(req.Body, 1<<16))
	var order struct{ Call struct{ ID string } }
	switch {
	case err != nil:
		a.status = http.StatusBadRequest
	case len(body) > 0 && json.Unmarshal(body, &order) == nil:
		a.callID = order.Call.ID
	}
	if strings.HasSuffix(a.target, userWeb) { // it knows numbers only
		a.status = http.StatusNotFound
	}
	w.Header().Set("Content-Type", "text/plain")
	w.WriteHeader(a.status)
	if strings.HasSuffix(a.target, numberIdle) {
		fmt.Fprintln(w, "shortlived")
	} else {
		fmt.Fprintln(w, "as dialled")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = append(r.asked, a)
}

// log is what it has been asked so far.
func (r *router) log() []asked {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.asked)
}

// journal is what the log server has received.
type journal struct {
	mu    sync.Mutex // guards lines
	lines []string
}

// startJournal starts a log server on a host.
func startJournal(l *lab.Lab, h *lab.Host, addr string) (*journal, error) {
	j := &journal{}
	var in net.PacketConn
	err := h.Do(func() (err error) {
		in, err = net.ListenPacket("udp", addr)
		return err
	})
	if err != nil {
		return nil, err
	}
	l.OnClose(in.Close)
	go func() {
		b := make([]byte, 64<<10)
		for {
			n, _, err := in.ReadFrom(b)
			if err != nil {
				return // closed
			}
			j.mu.Lock()
			j.lines = append(j.lines, string(b[:n]))
			j.mu.Unlock()
		}
	}()
	return j, nil
}

// has says whether a line that ends in text has arrived.
func (j *journal) has(text string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, line := range j.lines {
		if strings.HasSuffix(strings.TrimRight(line, "\n\x00"), text) {
			return true
		}
	}
	return false
}

// pipe starts a program on a host that sends each line it is given to the log
// server, and returns where to write them.
func pipe(l *lab.Lab, h *lab.Host, server, port string) (io.Writer, error) {
	cmd := h.Command("logger", "--server", server, "--port", port, "--udp", "--tag", "kamailio", "--priority", "local0.notice")
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	_, err = l.Start(cmd)
	return in, err
}

// command is a management command as who gave it knows it.
type command struct {
	name, over string
	callID     string // among the parameters
	ok         bool
	from       netip.AddrPort // of the connection, over HTTP
}

// rpc is a JSON-RPC 2.0 message.
type rpc struct {
	Version string          `json:"jsonrpc"`
	Method  string          `json:"method,omitempty"`
	Params  []string        `json:"params,omitempty"`
	Result  json.RawMessage `json:"result,omitempty"`
	Error   json.RawMessage `json:"error,omitempty"`
	ID      int             `json:"id"`
}

// overHTTP gives a command over HTTP, and returns from where.
func overHTTP(ctx context.Context, h *lab.Host, url, method string, params ...string) (_ rpc, from netip.AddrPort, err error) {
	client := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, addr string) (conn net.Conn, err error) {
			err = h.Do(func() error {
				var d net.Dialer
				conn, err = d.DialContext(ctx, network, addr)
				return err
			})
			if err == nil {
				from = conn.LocalAddr().(*net.TCPAddr).AddrPort()
			}
			return conn, err
		}}}
	body, err := json.Marshal(rpc{Version: "2.0", Method: method, Params: params, ID: 1})
	if err != nil {
		return rpc{}, from, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return rpc{}, from, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return rpc{}, from, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return rpc{}, from, err
	}
	r, err := reply(b)
	return r, from, err
}

// overUDP gives a command in a datagram.
func overUDP(ctx context.Context, h *lab.Host, server, method string, params ...string) (rpc, error) {
	var conn net.Conn
	err := h.Do(func() (err error) {
		var d net.Dialer
		conn, err = d.DialContext(ctx, "udp", server)
		return err
	})
	if err != nil {
		return rpc{}, err
	}
	defer conn.Close()
	body, err := json.Marshal(rpc{Version: "2.0", Method: method, Params: params, ID: 1})
	if err == nil {
		err = conn.SetDeadline(time.Now().Add(patience))
	}
	if err == nil {
		_, err = conn.Write(body)
	}
	b := make([]byte, 64<<10)
	if err != nil {
		return rpc{}, err
	}
	n, err := conn.Read(b)
	if err != nil {
		return rpc{}, err
	}
	return reply(b[:n])
}

func reply(b []byte) (r rpc, err error) {
	if err := json.Unmarshal(bytes.TrimRight(b, "\x00"), &r); err != nil {
		return r, fmt.Errorf("reply %q: %w", b, err)
	}
	return r, nil
}

// refuse connects from an address and port, and wants the server's certificate to
// have expired.
func refuse(ctx context.Context, h *lab.Host, from netip.AddrPort, server string, conf *tls.Config) error {
	var conn net.Conn
	err := h.Do(func() (err error) {
		d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(from)}
		conn, err = d.DialContext(ctx, "tcp", server)
		return err
	})
	if err != nil {
		return err
	}
	defer conn.Close()
	err = tls.Client(conn, conf).HandshakeContext(ctx)
	var invalid x509.CertificateInvalidError
	if !errors.As(err, &invalid) || invalid.Reason != x509.Expired {
		return fmt.Errorf("an expired certificate was to be refused: %w", err)
	}
	_, err = io.Copy(io.Discard, conn) // what is left unread makes a reset of the end
	return err
}

// openssl has OpenSSL's client connect from a port to a server by name, and
// wants it to refuse the server's certificate.
func openssl(ctx context.Context, l *lab.Lab, h *lab.Host, version, from, server, name, authority string) error {
	var said bytes.Buffer
	cmd := h.Command("openssl", "s_client", "-connect", server, "-bind", from, "-servername", name, "-CAfile", authority,
		"-verify_return_error", version)
	cmd.Stdout, cmd.Stderr = &said, &said
	p, err := l.Start(cmd)
	if err != nil {
		return err
	}
	err = p.Wait(ctx)
	var exit *exec.ExitError
	if !errors.As(err, &exit) || !strings.Contains(said.String(), "certificate has expired") {
		return fmt.Errorf("openssl was to refuse an expired certificate: %w\n%s", err, &said)
	}
	return nil
}
