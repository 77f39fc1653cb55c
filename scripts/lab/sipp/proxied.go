package sipp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"heptap/scripts/lab"
)

// Phone is one sipp, caller or callee, that works through a proxy and has no
// media. Each has a directory of its own.
type Phone struct {
	proc *lab.Process
	host *lab.Host
	dir  string
	said bytes.Buffer // valid once it has ended
}

// phone starts one.
func phone(l *lab.Lab, h *lab.Host, name, scenario, transport string, args ...string) (*Phone, error) {
	p := &Phone{host: h, dir: filepath.Join(l.Dir(), "sipp-"+name)}
	sub, err := fs.Sub(scenarios, "scenario")
	if err == nil {
		err = os.CopyFS(p.dir, sub)
	}
	if err != nil {
		return nil, err
	}
	cmd := h.Command("sipp", append([]string{"-sf", scenario, "-t", transport, "-i", h.Addr.String(), "-nostdin",
		"-trace_err", "-error_file", errorFile[1:], "-trace_msg", "-message_file", messageFile[1:]}, args...)...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = p.dir, &p.said, &p.said
	p.proc, err = l.Start(cmd)
	return p, err
}

// Answer starts a callee at a port of a host, over UDP (u1) or TCP (t1), and
// returns when it listens. It answers until Stop.
func Answer(ctx context.Context, l *lab.Lab, h *lab.Host, transport string, port uint16) (*Phone, error) {
	p, err := phone(l, h, fmt.Sprint("callee-", port), "proxied-uas.xml", transport, "-p", strconv.Itoa(int(port)))
	if err != nil {
		return nil, err
	}
	table, state := "/proc/thread-self/net/udp", fmt.Sprintf(":%04X 00000000:0000 07 ", port) // unconnected
	if transport[0] == 't' {
		table, state = "/proc/thread-self/net/tcp", fmt.Sprintf(":%04X 00000000:0000 0A ", port) // LISTEN
	}
	for {
		open := false
		err := h.Do(func() error {
			b, err := os.ReadFile(table)
			open = bytes.Contains(b, []byte(state))
			return err
		})
		if open || err != nil {
			return p, err
		}
		select {
		case <-p.proc.Done():
			return nil, fmt.Errorf("sipp: the callee has ended: %w\n%s", p.proc.Wait(ctx), complaints(p.said.String()))
		case <-ctx.Done():
			return nil, fmt.Errorf("sipp: the callee does not listen: %w", ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Stop ends a callee.
func (p *Phone) Stop() { p.proc.Kill() }

// Call makes calls through a proxy at addr, one every 200 ms, to numbers that
// are prefix with 1, 2, ... behind it. Each call that does not succeed is an error.
func Call(ctx context.Context, l *lab.Lab, h *lab.Host, transport, addr, prefix string, calls int, talk time.Duration) error {
	p, err := phone(l, h, "caller-"+prefix, "proxied-uac.xml", transport, "-m", strconv.Itoa(calls), "-r", "5", "-l", strconv.Itoa(calls),
		"-d", strconv.Itoa(int(talk/time.Millisecond)), "-s", prefix, "-timeout", "40s", "-timeout_error",
		"-trace_stat", "-stf", "stat.csv", "-fd", "1", addr)
	if err != nil {
		return err
	}
	err = p.proc.Wait(ctx)
	if ctx.Err() != nil {
		return err
	}
	res, serr := readStat(filepath.Join(p.dir, "stat.csv"))
	if err == nil && serr == nil && res.Successful == calls {
		return nil
	}
	said, _ := os.ReadFile(filepath.Join(p.dir, errorFile[1:])) // there is none without errors
	return errors.Join(fmt.Errorf("sipp: %+v of %d calls: %w\n%s%s", res, calls, err, said, complaints(p.said.String())), serr)
}

// CallIDs returns those of the calls that a callee was asked to answer, by its
// own log, once each. It is valid once Stop has returned.
func (p *Phone) CallIDs() (ids []string, err error) {
	b, err := os.ReadFile(filepath.Join(p.dir, messageFile[1:]))
	if err != nil {
		return nil, err
	}
	texts, err := received(b)
	if err != nil {
		return nil, fmt.Errorf("sipp: %s: %w", p.dir, err)
	}
	return callIDs(texts)
}
