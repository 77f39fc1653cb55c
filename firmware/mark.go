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
	payload, err := json.Marshal(struct {
		Event string `json:"event"`
		Text  string `json:"text,omitempty"`
		By    string `json:"by"`
	}{"mark", text, by})
	if err != nil {
		return err
	}
	here := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0)
	rec := record.Record{Type: record.Log, Class: record.Final, Wall: time.Now().UnixNano(), Mono: ringNow(), Primary: []byte("log@" + nodeName(r.cfg)),
		Flow: capture.FiveTuple{Src: here, Dst: here, Proto: capture.ProtoUDP}, Payload: payload}
	b, err := rec.AppendBinary(nil)
	if err == nil {
		err = r.uplink.Append(b)
	}
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

// remember puts a record where the console looks: those of the pipeline, and marks.
func (r *runner) remember(rec *record.Record) {
	if r.recent == nil {
		return
	}
	r.recentMu.Lock()
	defer r.recentMu.Unlock()
	r.recent.Add(rec)
}
