package kamailio

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"

	"heptap/scripts/lab"
)

var (
	//go:embed store.cfg
	storeConfig string
	//go:embed store.sql
	storeTables string
)

// Store is a Kamailio that writes what it reads over UDP to SQLite. It is slow: more
// than about 100 packets a second and it falls behind or loses some.
type Store struct {
	*Server
	file string
}

// StartStore is Start with a database. It takes nothing over TCP but an empty
// connection, by which one sees that it is there (Debian packages
// kamailio-sqlite-modules and sqlite3).
func StartStore(ctx context.Context, l *lab.Lab, h *lab.Host, addr string) (*Store, error) {
	modules, err := module("db_sqlite", "kamailio-sqlite-modules")
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(l.Dir(), "kamailio-store-"+addr)
	s := &Store{file: filepath.Join(dir, "hep.sqlite")}
	prepare := func() error { return s.sqlite(ctx, nil, storeTables) }
	s.Server, err = launch(ctx, l, h, addr, instance{config: storeConfig, modules: modules, dir: dir, prepare: prepare})
	return s, err
}

// Row is a row of sip_capture or rtcp_capture.
type Row struct {
	Micros      int64  `json:"micro_ts"` // since 1970
	Method      string `json:"method"`   // of a request; the status of a response; sip_capture only
	Reason      string `json:"reply_reason"`
	CallID      string `json:"callid"` // sip_capture only
	CSeq        string `json:"cseq"`
	Correlation string `json:"correlation_id"`
	SrcIP       string `json:"source_ip"`
	SrcPort     int    `json:"source_port"`
	DstIP       string `json:"destination_ip"`
	DstPort     int    `json:"destination_port"`
	Node        string `json:"node"` // "lab:" and the capture agent's number
	Message     string `json:"msg"`
}

// SIP returns the rows of sip_capture so far, in the order of their writing.
func (s *Store) SIP(ctx context.Context) (rows []Row, err error) {
	return rows, s.sqlite(ctx, &rows, "SELECT micro_ts, method, reply_reason, callid, cseq, correlation_id, "+
		"source_ip, source_port, destination_ip, destination_port, node, msg FROM sip_capture ORDER BY id")
}

// RTCP returns the rows of rtcp_capture so far, in the order of their writing.
func (s *Store) RTCP(ctx context.Context) (rows []Row, err error) {
	return rows, s.sqlite(ctx, &rows, "SELECT micro_ts, correlation_id, "+
		"source_ip, source_port, destination_ip, destination_port, node, msg FROM rtcp_capture ORDER BY id")
}

// sqlite has the sqlite3 program run statements and reads what they return.
func (s *Store) sqlite(ctx context.Context, into any, statements string) error {
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, "sqlite3", "-bail", "-json", "-cmd", ".timeout 10000", s.file)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(statements), &stdout, &stderr
	if err := cmd.Run(); err != nil {
		if errors.Is(err, exec.ErrNotFound) {
			err = fmt.Errorf("sqlite3 (Debian package sqlite3): %w", ErrMissing)
		}
		return fmt.Errorf("%s: %w: %s", s.file, err, bytes.TrimSpace(stderr.Bytes()))
	}
	if into == nil || stdout.Len() == 0 { // no rows, no output
		return nil
	}
	if err := json.Unmarshal(stdout.Bytes(), into); err != nil {
		return fmt.Errorf("sqlite3: %w", err)
	}
	return nil
}
