package kamailio_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"heptap/capture/mi"
	"heptap/scripts/lab"
	"heptap/scripts/lab/kamailio"
)

// TestCommandsOfKamailio has Kamailio answer commands in each of its ways, and
// capture/mi read what went over the wire.
func TestCommandsOfKamailio(t *testing.T) {
	l := newLab(t)
	h, err := l.Host("managed")
	need(t, err)
	const addr = "127.0.0.1:5060"
	server, err := kamailio.StartControl(within(t, 30*time.Second), l, h, addr)
	need(t, err)
	t.Run("binrpc over TCP", func(t *testing.T) { kamcmd(t, h) })
	t.Run("JSON-RPC over UDP", func(t *testing.T) { overUDP(t, h) })
	t.Run("binrpc over UDP", func(t *testing.T) { binOverUDP(t, h) })
	t.Run("JSON-RPC over HTTP", func(t *testing.T) { overHTTP(t, h, "http://"+addr+"/RPC") })
	if err := server.Stop(); err != nil {
		t.Error(err)
	}
}

// told is a Handler.
type told struct {
	requests []mi.Request
	replies  []mi.Reply
}

func (x *told) Request(r *mi.Request) { x.requests = append(x.requests, *r) }
func (x *told) Reply(r *mi.Reply)     { x.replies = append(x.replies, *r) }

// kamcmd has the program kamcmd send commands through a relay that listens in.
func kamcmd(t *testing.T, h *lab.Host) {
	_, err := exec.LookPath("kamcmd")
	need(t, err)
	for _, c := range []struct {
		args                  []string
		params, word, outputs string
		ok                    bool
	}{
		{[]string{"core.version"}, "", "", `"kamailio `, true},
		{[]string{"htable.sets", "a", "x", "s:hello"}, `["a","x","hello"]`, "", `"Ok. `, true},
		{[]string{"htable.get", "a", "x"}, `["a","x"]`, "", `{"item":{"name":"x","value":"hello","flags":`, true},
		{[]string{"nosuch"}, "", "command nosuch not found", `[500,"command nosuch not found"]`, false},
		{[]string{"htable.get", "a", "auth_password"}, "***", "", "***", false},
	} {
		x := &told{}
		conn := mi.NewConn(mi.BinRPC, x)
		addr, stop := listenIn(t, h, conn)
		out, _ := h.Command("kamcmd", append([]string{"-s", "tcp:" + addr}, c.args...)...).CombinedOutput()
		stop()
		if len(x.requests) != 1 || len(x.replies) != 1 {
			t.Errorf("%v: %d requests, %d replies, %+v\n%s", c.args, len(x.requests), len(x.replies), conn.Stats, out)
			continue
		}
		q, r := x.requests[0], x.replies[0]
		if q.Command != c.args[0] || q.Params != c.params || r.OK != c.ok || r.Word != c.word || !strings.HasPrefix(r.Output, c.outputs) || q.ID != r.ID {
			t.Errorf("%v: %+v, %+v", c.args, q, r)
		}
	}
}

// listenIn is a relay to Kamailio's binrpc port that gives a Conn what passes.
func listenIn(t *testing.T, h *lab.Host, conn *mi.Conn) (addr string, stop func()) {
	t.Helper()
	var listener net.Listener
	var server net.Conn
	eventually(t, "Kamailio does not listen for binrpc", func() bool {
		return h.Do(func() (err error) { server, err = net.Dial("tcp", kamailio.ControlTCP); return err }) == nil
	})
	if err := h.Do(func() (err error) { listener, err = net.Listen("tcp", "127.0.0.1:0"); return err }); err != nil {
		t.Fatal(err)
	}
	var lock sync.Mutex // guards conn
	done := make(chan struct{})
	pump := func(dir int, from, to net.Conn) {
		b := make([]byte, 4096)
		for {
			n, err := from.Read(b)
			if n > 0 {
				lock.Lock()
				conn.Write(dir, b[:n])
				lock.Unlock()
				if _, err := to.Write(b[:n]); err != nil {
					return
				}
			}
			if err != nil {
				return
			}
		}
	}
	go func() {
		defer close(done)
		client, err := listener.Accept()
		if err != nil {
			return
		}
		replies := make(chan struct{})
		go func() { defer close(replies); pump(1, server, client) }()
		pump(0, client, server)
		server.Close()
		<-replies
		client.Close()
	}()
	return listener.Addr().String(), func() { listener.Close(); <-done; server.Close() }
}

// ask sends a datagram and returns the answer.
func ask(t *testing.T, h *lab.Host, addr string, b []byte) []byte {
	t.Helper()
	var conn net.Conn
	if err := h.Do(func() (err error) { conn, err = net.Dial("udp", addr); return err }); err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	answer := make([]byte, 65536)
	var n int
	eventually(t, "no answer from "+addr, func() bool {
		if _, err := conn.Write(b); err != nil {
			return false
		}
		if err := conn.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		var err error
		n, err = conn.Read(answer)
		return err == nil
	})
	return slices.Clone(answer[:n])
}

// exchange reads a request and its reply.
func exchange(t *testing.T, h *lab.Host, addr string, b []byte) (mi.Request, mi.Reply) {
	t.Helper()
	if backend, ok := mi.IsDatagram(b); !ok || backend != mi.Kamailio {
		t.Errorf("%q: %v %v", b, backend, ok)
	}
	answer := ask(t, h, addr, b)
	if _, ok := mi.IsDatagram(answer); !ok {
		t.Errorf("answer %q is none", answer)
	}
	q, ok := mi.DatagramRequest(b)
	if !ok {
		t.Errorf("request %q is none", b)
	}
	r, ok := mi.DatagramReply(q.Tag(), answer)
	if !ok || r.ID != q.ID {
		t.Errorf("answer %q: %+v", answer, r)
	}
	return q, r
}

func overUDP(t *testing.T, h *lab.Host) {
	q, r := exchange(t, h, kamailio.ControlJSON, []byte(`{"jsonrpc":"2.0","method":"core.echo","params":["a",1],"id":7}`))
	if q.Command != "core.echo" || q.Params != `["a",1]` || !r.OK || r.Output != `["a", "1"]` || r.ID != "7" {
		t.Errorf("%+v\n%+v", q, r)
	}
	q, r = exchange(t, h, kamailio.ControlJSON, []byte(`{"jsonrpc":"2.0","method":"no.such","id":"x"}`))
	if q.Command != "no.such" || r.OK || r.Status != 500 || r.Word != "Method Not Found" {
		t.Errorf("%+v\n%+v", q, r)
	}
}

func binOverUDP(t *testing.T, h *lab.Host) {
	q, r := exchange(t, h, kamailio.ControlBinUDP, []byte("\xa1\x03\x0fg\x19Y\xf4\x91\rcore.version\x00"))
	if q.Command != "core.version" || q.ID != "671959f4" || !r.OK || !strings.HasPrefix(r.Output, `"kamailio `) {
		t.Errorf("%+v\n%+v", q, r)
	}
}

func overHTTP(t *testing.T, h *lab.Host, url string) {
	body := `{"jsonrpc":"2.0","method":"core.version","id":1}`
	q, ok := mi.HTTPRequest([]byte("POST"), []byte("/RPC"), []byte("application/json"), []byte(body))
	if !ok {
		t.Fatal("no command")
	}
	// The client dials in a goroutine of its own, which is in no namespace.
	dial := func(_ context.Context, network, addr string) (conn net.Conn, err error) {
		err = h.Do(func() (err error) { conn, err = net.Dial(network, addr); return err })
		return conn, err
	}
	client := http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}, Timeout: 30 * time.Second}
	resp, err := client.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	reply, ok := mi.HTTPReply(q.Tag(), resp.StatusCode, []byte(resp.Header.Get("Content-Type")), b)
	if err != nil || !ok || !reply.OK || reply.ID != "1" || !strings.HasPrefix(reply.Output, `"kamailio `) {
		t.Errorf("%q: %v, %+v", b, err, reply)
	}
}
