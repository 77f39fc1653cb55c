package main

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"heptap/capture/record"
	"heptap/firmware/internal/config"
	"heptap/firmware/internal/console"
	"heptap/firmware/internal/outbox"
	"heptap/firmware/internal/packets"
)

// packetsConfig bounds the packet memory; with no Bytes there is none.
func packetsConfig(cfg config.Config) packets.Config {
	workers := 0
	for _, p := range cfg.Ports {
		workers += p.Rings
	}
	return packets.Config{Bytes: cfg.Packets.Memory, Workers: workers, Pins: cfg.Packets.Pins, After: cfg.Packets.After}
}

// captureToFile writes what the packet memory holds to a file.
func (r *runner) captureToFile(want console.Capture, by string) (outbox.File, packets.Result, error) {
	var result packets.Result
	if r.memory == nil {
		return outbox.File{}, result, errors.New("no frames are held; set packets memory 4MiB")
	}
	o, err := r.captureOptions(want, by)
	if err != nil {
		return outbox.File{}, result, err
	}
	s, err := r.memory.Snapshot(want.Pin)
	if err != nil {
		return outbox.File{}, result, err
	}
	defer s.Release()
	f, err := r.files.Create(want.Name, func(w io.Writer, room int64) error {
		o.MaxBytes = room
		result, err = s.Write(w, o)
		if err == nil && result.Frames == 0 {
			err = errNoFrames
		}
		return err
	})
	if err == nil {
		r.log.Info("capture to file", "name", f.Name, "frames", result.Frames, "by", by)
		if want.Unlocked {
			r.log.Warn("capture to file: unlocked, secrets are in it", "name", f.Name, "by", by)
		}
	}
	return f, result, err
}

var errNoFrames = errors.New("no frame that is held is of that")

// captureOptions makes options of what was asked for. What is written is masked as
// records are, and at least without bodies and credentials.
func (r *runner) captureOptions(want console.Capture, by string) (packets.Options, error) {
	o := packets.Options{Program: "heptap " + version, Calls: want.Calls, Address: want.Address, From: want.From, Until: want.Until,
		Unlocked: want.Unlocked, Names: r.cfg.Privacy.Secret != ""}
	o.Comment = fmt.Sprintf("%s, written %s by %s", nodeName(r.cfg), time.Now().UTC().Format(time.RFC3339), by)
	for _, p := range r.cfg.Ports {
		o.Ports = append(o.Ports, p.Name)
	}
	if len(want.Calls) > 0 {
		o.Endpoints = r.mediaOf(want.Calls)
	}
	cfg := r.cfg
	cfg.Privacy.Bodies, cfg.Privacy.Credentials = true, true
	var err error
	o.Privacy, err = newPrivacy(cfg)
	return o, err
}

// mediaOf returns between which addresses the media of calls went, by the records of
// it: behind NAT these are not those that SDP says.
func (r *runner) mediaOf(calls []string) (out []netip.AddrPort) {
	if r.recent == nil {
		return nil
	}
	r.recent.Each(func(rec *record.Record) bool {
		for _, id := range calls {
			if string(rec.Primary) == id {
				out = append(out, rec.Flow.Src, rec.Flow.Dst)
			}
		}
		return true
	}, record.RTPReport, record.RTCP)
	return out
}

// unpin lets a pin go.
func (r *runner) unpin(id int) error {
	if r.memory == nil {
		return packets.ErrNoPin
	}
	return r.memory.Unpin(id)
}
