package sipp

import (
	"bytes"
	"cmp"
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"heptap/scripts/lab"
)

//go:embed scenario/*.xml
var scenarios embed.FS

// SSRCs of the two recordings.
const (
	CallerSSRC = 0x0ca11e12
	CalleeSSRC = 0x0ca11ee0
)

// Config says what calls to make.
type Config struct {
	Calls     int
	PerSecond int
	Talk      time.Duration // of each call; the recordings are a little shorter
	FirstPort uint16        // of the media: call n has FirstPort + 4(n-1) on both sides
	Transport string        // as sipp's -t has it: t1 is one TCP connection, tn is one for each call; "" is UDP, one socket
}

// Result is what the calling sipp says about its calls.
type Result struct {
	Successful, Failed, Retransmissions int

	Errors string // what both sipps complained about
}

// These are appended to a scenario's name.
const (
	errorFile   = ".errors"
	messageFile = ".messages"
)

// Run is a pair of sipps at work.
type Run struct {
	site   *lab.Site
	caller *lab.Process
	callee *lab.Process
	stat   string
	said   [2]bytes.Buffer // of caller and callee; valid once they have ended
	calls  int
}

// Start starts the callee and then the caller.
func Start(s *lab.Site, cfg Config) (*Run, error) {
	dir := filepath.Join(s.Dir(), "sipp")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	sub, err := fs.Sub(scenarios, "scenario")
	if err != nil {
		return nil, err
	}
	recording := cfg.Talk - time.Second // the last packets are through before BYE
	err = errors.Join(os.CopyFS(dir, sub),
		writeRecording(filepath.Join(dir, "caller.pcap"), recording, CallerSSRC, 440),
		writeRecording(filepath.Join(dir, "callee.pcap"), recording, CalleeSSRC, 660))
	if err != nil {
		return nil, err
	}
	r := &Run{site: s, stat: filepath.Join(dir, "stat.csv"), calls: cfg.Calls}
	common := func(scenario string, h *lab.Host) []string {
		return []string{"-sf", scenario, "-trace_err", "-error_file", scenario + errorFile, "-i", h.Addr.String(), "-p", "5060", "-mi", h.Addr.String(),
			"-mp", strconv.Itoa(int(cfg.FirstPort)), "-nostdin", "-t", cmp.Or(cfg.Transport, "u1"),
			"-max_socket", strconv.Itoa(1000 + 2*cfg.Calls), "-trace_msg", "-message_file", scenario + messageFile}
	}
	callee := s.B.Command("sipp", common("uas.xml", s.B)...)
	caller := s.A.Command("sipp", append(common("uac.xml", s.A),
		"-m", strconv.Itoa(cfg.Calls), "-r", strconv.Itoa(cfg.PerSecond), "-l", strconv.Itoa(cfg.Calls),
		"-d", strconv.Itoa(int(cfg.Talk/time.Millisecond)), "-s", "service",
		// A call that hangs, as happens to sipp now and then on a busy machine,
		// must not hang its user: it fails with all the others done.
		"-timeout", strconv.Itoa(cfg.Calls/max(cfg.PerSecond, 1)+int(cfg.Talk/time.Second)+40)+"s", "-timeout_error",
		"-trace_stat", "-stf", r.stat, "-fd", "1", s.B.Addr.String()+":5060")...)
	caller.Dir, callee.Dir = dir, dir
	caller.Stdout, caller.Stderr = &r.said[0], &r.said[0]
	callee.Stdout, callee.Stderr = &r.said[1], &r.said[1]
	if r.callee, err = s.Start(callee); err != nil {
		return nil, err
	}
	if cfg.Transport != "" { // an INVITE that comes too early is sent again, but not a connection
		if err := r.listens(); err != nil {
			return nil, err
		}
	}
	if r.caller, err = s.Start(caller); err != nil {
		return nil, err
	}
	return r, nil
}

// listens waits until the callee takes connections. It makes none: the callee
// would take it for a call's.
func (r *Run) listens() error {
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		open := false
		err := r.site.B.Do(func() error {
			b, err := os.ReadFile("/proc/thread-self/net/tcp")
			open = bytes.Contains(b, []byte(":13C4 00000000:0000 0A ")) // port 5060, LISTEN
			return err
		})
		if open || err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return errors.New("sipp: the callee does not listen")
		}
	}
}

// Done is closed when the caller has made its calls.
func (r *Run) Done() <-chan struct{} { return r.caller.Done() }

// Wait waits for the last call's end and returns what the caller says. That
// calls failed is no error; that sipp did not do its work is.
func (r *Run) Wait(ctx context.Context) (Result, error) {
	err := r.caller.Wait(ctx)
	if ctx.Err() != nil {
		return Result{}, err
	}
	r.callee.Kill()
	res, serr := readStat(r.stat)
	for _, scenario := range []string{"uac.xml", "uas.xml"} {
		if b, err := os.ReadFile(filepath.Join(filepath.Dir(r.stat), scenario+errorFile)); err == nil { // there is none without errors
			res.Errors += scenario + ":\n" + string(b)
		}
	}
	if serr == nil && res.Successful+res.Failed == r.calls {
		return res, nil
	}
	return res, errors.Join(fmt.Errorf("sipp: %d calls ended of %d: %w\n%s", res.Successful+res.Failed, r.calls, err,
		complaints(r.said[0].String())), serr)
}

// complaint is how sipp begins what it says about errors: with the time. The
// rest of its output is screens.
var complaint = regexp.MustCompile(`^\d{4}-\d\d-\d\d\t`)

func complaints(said string) string {
	var out []string
	for line := range strings.Lines(said) {
		if complaint.MatchString(line) {
			out = append(out, strings.TrimSpace(line))
		}
	}
	return strings.Join(out, "\n")
}

// readStat reads the last line of sipp's statistics.
func readStat(path string) (res Result, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return res, err
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	names, values := strings.Split(lines[0], ";"), strings.Split(lines[len(lines)-1], ";")
	for _, c := range []struct {
		name string
		n    *int
	}{{"SuccessfulCall(C)", &res.Successful}, {"FailedCall(C)", &res.Failed}, {"Retransmissions(C)", &res.Retransmissions}} {
		found := false
		for i, name := range names {
			if name == c.name && i < len(values) {
				*c.n, err = strconv.Atoi(values[i])
				found = err == nil
			}
		}
		if !found {
			return res, fmt.Errorf("sipp: no %s in %s", c.name, path)
		}
	}
	return res, nil
}
