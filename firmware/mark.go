package main

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"time"

	"heptap/capture"
	"heptap/capture/record"
)

// maxMark is how much of a mark's text is kept, in octets.
const maxMark = 1000

// mark makes a log record of this moment, and pins the packet memory.
func (r *runner) mark(text, by string) error {
	text = text[:min(len(text), maxMark)]
	rec, err := r.tell("log", struct {
		Event string `json:"event"`
		Text  string `json:"text,omitempty"`
		By    string `json:"by"`
	}{"mark", text, by})
	if err != nil {
		return fmt.Errorf("mark: %w", err)
	}
	r.log.Info("mark", "text", text, "by", by)
	if r.memory != nil {
		pin, gone := r.memory.Mark(text, by, rec.Wall, rec.Mono)
		r.log.Info("packet memory pinned", "pin", pin.ID, "KiB", pin.Octets>>10)
		if gone != nil {
			r.log.Warn("an older pin gave way; set packets pins for more", "pin", gone.ID, "text", gone.Text)
		}
	}
	r.remember(&rec)
	return nil
}

// tell puts a log record of this probe's own into the log, as JSON of v. It is found under subject@node.
func (r *runner) tell(subject string, v any) (record.Record, error) {
	payload, err := json.Marshal(v)
	if err != nil {
		return record.Record{}, err
	}
	here := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0)
	rec := record.Record{Type: record.Log, Class: record.Final, Wall: time.Now().UnixNano(), Mono: ringNow(), Primary: []byte(subject + "@" + nodeName(r.cfg)),
		Flow: capture.FiveTuple{Src: here, Dst: here, Proto: capture.ProtoUDP}, Payload: payload}
	b, err := rec.AppendBinary(nil)
	if err == nil {
		err = r.uplink.Append(b)
	}
	return rec, err
}

// remember puts a record where the console looks: those of the pipeline, and marks.
func (r *runner) remember(rec *record.Record) {
	if r.recent == nil {
		return
	}
	r.recentMu.Lock()
	defer r.recentMu.Unlock()
	r.recent.Add(rec)
}
