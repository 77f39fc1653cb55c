// Package natstest runs a real NATS server with JetStream inside of a test.
package natstest

import (
	"crypto/tls"
	"net"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// Options say what the server is like. The zero value has JetStream, and lets everybody in.
type Options struct {
	Plain      bool // without JetStream
	User       *server.User
	Token      string
	TLS        *tls.Config
	MaxPayload int32
	Port       int // 0 is any that is free
}

// Server is a server that can be stopped and started again, with the same files at the same port.
type Server struct {
	t    testing.TB
	o    Options
	dir  string
	port int
	s    *server.Server
}

// New starts a server. It ends with the test.
func New(t testing.TB, o Options) *Server {
	s := &Server{t: t, o: o, dir: t.TempDir(), port: o.Port}
	if s.port == 0 {
		s.port = server.RANDOM_PORT
	}
	s.Start()
	t.Cleanup(s.Stop)
	return s
}

// Start starts a server that was stopped.
func (s *Server) Start() {
	s.t.Helper()
	o := &server.Options{Host: "127.0.0.1", Port: s.port, NoSigs: true, NoLog: true, JetStream: !s.o.Plain, StoreDir: s.dir, JetStreamMaxStore: 1 << 30, JetStreamMaxMemory: 64 << 20,
		Authorization: s.o.Token, TLSConfig: s.o.TLS, TLS: s.o.TLS != nil, TLSTimeout: 5, MaxPayload: s.o.MaxPayload, LameDuckDuration: 10 * time.Second, LameDuckGracePeriod: time.Second}
	if s.o.User != nil {
		o.Users = []*server.User{s.o.User, {Username: Admin, Password: Admin}}
	}
	var err error
	if s.s, err = server.NewServer(o); err != nil {
		s.t.Fatal(err)
	}
	s.s.Start()
	if !s.s.ReadyForConnections(10 * time.Second) {
		s.t.Fatal("the NATS server does not start")
	}
	s.port = s.s.Addr().(*net.TCPAddr).Port
}

// Admin is the name and password of a user that may do everything, when there are users.
const Admin = "admin"

// Stop stops it.
func (s *Server) Stop() {
	s.s.Shutdown()
	s.s.WaitForShutdown()
}

// LameDuck has it go into lame duck mode, and returns at once.
func (s *Server) LameDuck() { go s.s.LameDuckShutdown() }

// Addr is its address, "host:port".
func (s *Server) Addr() string { return s.s.Addr().String() }

// Client connects to the server, as Admin where there are users.
func (s *Server) Client() nats.JetStreamContext {
	s.t.Helper()
	o := []nats.Option{nats.Token(s.o.Token)}
	if s.o.User != nil {
		o = []nats.Option{nats.UserInfo(Admin, Admin)}
	}
	if s.o.TLS != nil {
		o = append(o, nats.Secure(&tls.Config{InsecureSkipVerify: true}))
	}
	nc, err := nats.Connect("nats://"+s.Addr(), o...)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(nc.Close)
	js, err := nc.JetStream()
	if err != nil {
		s.t.Fatal(err)
	}
	return js
}

// Stream makes the stream HEP for the subjects heptap.>, or changes it. change may be nil.
func (s *Server) Stream(change func(*nats.StreamConfig)) nats.JetStreamContext {
	s.t.Helper()
	js := s.Client()
	c := nats.StreamConfig{Name: "HEP", Subjects: []string{"heptap.>"}, Storage: nats.FileStorage, Duplicates: 2 * time.Minute}
	if change != nil {
		change(&c)
	}
	_, err := js.AddStream(&c)
	if err != nil {
		_, err = js.UpdateStream(&c)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return js
}

// Messages returns all that the stream has.
func (s *Server) Messages() (out []*nats.RawStreamMsg) {
	s.t.Helper()
	js := s.Client()
	info, err := js.StreamInfo("HEP")
	if err != nil {
		s.t.Fatal(err)
	}
	for seq := info.State.FirstSeq; seq <= info.State.LastSeq && seq > 0; seq++ {
		m, err := js.GetMsg("HEP", seq)
		if err != nil {
			s.t.Fatal(err)
		}
		out = append(out, m)
	}
	return out
}

// Count returns how many messages the stream has.
func (s *Server) Count() uint64 {
	s.t.Helper()
	info, err := s.Client().StreamInfo("HEP")
	if err != nil {
		s.t.Fatal(err)
	}
	return info.State.Msgs
}
