package web_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// TestHTTPS has a SIP server ask over HTTPS, of which the records say how long the
// answers took: at least as long as the server waits with them. Tickets of TLS 1.3,
// settings of HTTP/2 and alerts are no answers.
func TestHTTPS(t *testing.T) {
	s := newScene(t, []string{"curl"})
	certs := newCertificates(t, s.Dir())
	cert, err := tls.LoadX509KeyPair(certs+"/good.pem", certs+"/good.key")
	if err != nil {
		t.Fatal(err)
	}
	const late = 300 // ms
	web := &http.Server{ReadHeaderTimeout: 5 * time.Second, TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(late * time.Millisecond)
			if r.URL.Path == "/never" {
				panic(http.ErrAbortHandler)
			}
			_, _ = io.WriteString(w, text(small)) // the client may have gone
		})}
	in := s.listen("443")
	go func() { _ = web.ServeTLS(in, "", "") }() // it says that it was closed
	s.OnClose(web.Close)
	s.answers()
	cases := []struct {
		version, http string
		queries       int
		gives         bool // up before the answer
	}{
		{"1.2", "--http1.1", 1, false}, {"1.2", "--http1.1", 3, false}, {"1.2", "--http2", 1, false},
		{"1.3", "--http1.1", 1, false}, {"1.3", "--http1.1", 3, false}, {"1.3", "--http2", 1, false},
		{"1.3", "--http1.1", 1, true},
	}
	for i, c := range cases {
		args := []string{"-sS", "--cacert", certs + "/ca.pem", "--resolve", "sip.example.net:443:" + s.B.Addr.String(), "--tls-max", c.version, c.http,
			"--local-port", fmt.Sprint(20200 + i)}
		if c.gives {
			args = append(args, "--max-time", "0.2", "https://sip.example.net/never")
			c.queries = 0
		}
		for range c.queries {
			args = append(args, "https://sip.example.net/x")
		}
		if said, err := s.run(s.A, "curl", args...); (err != nil) != c.gives {
			t.Errorf("%v: %v\n%s", c, err, short(said))
		}
	}
	records := s.finish()
	for i, c := range cases {
		t.Run(fmt.Sprintf("TLS %s %s %d queries", c.version, c.http, c.queries), func(t *testing.T) {
			opened, ended := ofClient(t, records, float64(20200+i))
			if opened.says["sni"] != "sip.example.net" || opened.says["tls_version"] != "TLS "+c.version {
				t.Errorf("%s", opened.Payload)
			}
			answers, _ := ended.says["answers"].(float64)
			longest, _ := ended.says["answer_ms_max"].(float64)
			waits, _ := ended.says["unanswered_ms"].(float64)
			switch {
			case c.gives && (answers != 0 || waits == 0):
				t.Errorf("given up: %s", ended.Payload)
			case !c.gives && (longest < late || waits != 0 || answers < float64(c.queries) || c.http == "--http1.1" && answers != float64(c.queries)):
				t.Errorf("%s", ended.Payload)
			}
		})
	}
}

// answers has host a answer SIP.
func (s *scene) answers() {
	s.t.Helper()
	var ends [2]net.PacketConn
	for i, at := range []string{s.A.Addr.String(), s.B.Addr.String()} {
		h := s.A
		if i == 1 {
			h = s.B
		}
		err := h.Do(func() (err error) {
			ends[i], err = net.ListenPacket("udp", net.JoinHostPort(at, "5060"))
			return err
		})
		if err != nil {
			s.t.Fatal(err)
		}
		defer ends[i].Close()
	}
	_, err := ends[1].WriteTo([]byte("OPTIONS sip:x SIP/2.0\r\n"+sipHead), ends[0].LocalAddr())
	if err == nil {
		_, err = ends[0].WriteTo([]byte("SIP/2.0 200 OK\r\n"+sipHead), ends[1].LocalAddr())
	}
	if err != nil {
		s.t.Fatal(err)
	}
	time.Sleep(time.Second) // the probe learns of it when it has passed by
}
