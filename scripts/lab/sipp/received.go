package sipp

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"heptap/scripts/lab/box"
)

// Received returns every message that the two sipps read from their sockets,
// by their own logs: over TCP, what was sent. (sipp does not log the message
// with which it opens a connection.) Src is the address alone: the log does not
// tell the port. It is valid once Wait has returned.
func (r *Run) Received() (all []box.Message, err error) {
	for scenario, peer := range map[string]string{"uac.xml": r.site.B.Addr.String(), "uas.xml": r.site.A.Addr.String()} {
		b, err := os.ReadFile(filepath.Join(filepath.Dir(r.stat), scenario+messageFile))
		if err != nil {
			return nil, err
		}
		texts, err := received(b)
		if err != nil {
			return nil, fmt.Errorf("sipp: %s: %w", scenario+messageFile, err)
		}
		for _, text := range texts {
			m, err := (&box.Record{Src: peer, Payload: text}).Message()
			if err != nil {
				return nil, fmt.Errorf("sipp: %s: %w", scenario+messageFile, err)
			}
			all = append(all, m)
		}
	}
	return all, nil
}

// received reads the messages that were received out of a log. Before each
// there is "TCP message received [230] bytes :" and an empty line.
func received(b []byte) (texts []string, err error) {
	for {
		_, rest, ok := bytes.Cut(b, []byte(" message received ["))
		if !ok {
			return texts, nil
		}
		size, rest, ok := bytes.Cut(rest, []byte("] bytes :\n\n"))
		n, err := strconv.Atoi(string(size))
		if !ok || err != nil || n > len(rest) {
			return nil, fmt.Errorf("not a message: %.40q", size)
		}
		texts = append(texts, string(rest[:n]))
		b = rest[n:]
	}
}

// callIDs returns those of INVITEs, each once, in order.
func callIDs(texts []string) (ids []string, err error) {
	for _, text := range texts {
		m, err := (&box.Record{Payload: text}).Message()
		if err != nil {
			return nil, fmt.Errorf("sipp: %w", err)
		}
		if m.What == "INVITE" && !slices.Contains(ids, m.CallID) {
			ids = append(ids, m.CallID)
		}
	}
	return ids, nil
}
