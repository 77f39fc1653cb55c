package main

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"heptap/buffer"
	"heptap/capture"
	"heptap/capture/record"
	"heptap/firmware/internal/clock"
	"heptap/firmware/internal/health"
	"heptap/firmware/internal/probe"
	"heptap/firmware/internal/uplink"
)

// statusRecord is the payload of a status record, a log record that tells the collector how
// the probe is and what it has lost. README.md lists the fields; they may be added to.
type statusRecord struct {
	Event    string         `json:"event"` // "status"
	Version  string         `json:"version"`
	Uptime   int64          `json:"uptime_s"` // of this run of the probe
	Interval int64          `json:"interval_s"`
	Health   string         `json:"health"`
	Trouble  []trouble      `json:"trouble,omitempty"`
	Lost     []loss         `json:"lost,omitempty"`
	Frames   uint64         `json:"frames"`  // that the kernel had for us
	Records  uint64         `json:"records"` // that were made
	Uplinks  []uplinkStatus `json:"collectors,omitempty"`
	Spool    spoolStatus    `json:"spool"`
	Clock    clockStatus    `json:"clock"`
}

// trouble is a condition that is not as it should be.
type trouble struct {
	Name   string `json:"name"`
	Level  string `json:"level"`
	Reason string `json:"reason,omitempty"`
	Since  int64  `json:"since_s"` // for so long
}

// loss says where something was lost, how much, and why.
type loss struct {
	Where string `json:"where"` // nic, ring, decode, queue, reassembly, spool or socket; of a port or a collector with "/" and its name
	What  string `json:"what"`  // frames, messages, segments or records
	Why   string `json:"why"`
	Count uint64 `json:"count"` // since the last status record that was made
	Total uint64 `json:"total"` // since the probe began
}

type uplinkStatus struct {
	Name      string `json:"name"`
	State     string `json:"state"`
	Since     int64  `json:"since_s"`
	Reason    string `json:"reason,omitempty"`
	Confirmed uint64 `json:"confirmed"`
	Sent      uint64 `json:"sent_unconfirmed"`
	Released  uint64 `json:"released"`
	Filtered  uint64 `json:"filtered"`
	Memory    uint64 `json:"in_memory"`
	Spooled   uint64 `json:"spooled"`
	Resent    uint64 `json:"resent"`

	Rate         float64 `json:"rate"` // records per second
	Waiting      uint64  `json:"waiting"`
	WaitingBytes uint64  `json:"waiting_bytes"`            // about
	Oldest       int64   `json:"oldest_s,omitempty"`       // so long ago the oldest of these was made
	Trouble      string  `json:"last_error,omitempty"`     // also when all is well again
	TroubleAgo   int64   `json:"last_error_s,omitempty"`   // so long ago
	Next         int64   `json:"next_attempt_s,omitempty"` // in so long
	Uses         string  `json:"uses,omitempty"`           // of those that take each other's place, who gets the records
}

type spoolStatus struct {
	Used  int64  `json:"used"`
	Limit int64  `json:"limit"`
	Error string `json:"error,omitempty"`
}

type clockStatus struct {
	Right  bool    `json:"right"`
	Server string  `json:"server,omitempty"`
	Offset float64 `json:"offset_s"`
	Steps  uint64  `json:"steps"`
}

// sendStatus makes a status record at intervals, until ctx is done.
func (r *runner) sendStatus(ctx context.Context) {
	every := r.cfg.System.StatusInterval
	if every == 0 {
		return
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	began, last := time.Now(), map[string]uint64{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		s := r.status(last)
		s.Uptime, s.Interval = int64(time.Since(began)/time.Second), int64(every/time.Second)
		if _, err := r.tell("status", &s); err != nil && ctx.Err() == nil {
			r.log.Warn("no status record", "err", err)
		}
	}
}

// status is how the probe is. last are the totals of the last one, and becomes those of this.
func (r *runner) status(last map[string]uint64) statusRecord {
	st, up, sp := r.probe.Stats(), r.uplink.Stats(), r.spoolStats()
	s := statusRecord{Event: "status", Version: version, Spool: spoolStatus{Used: sp.UsedBytes, Limit: sp.LimitBytes, Error: up.DiskError}}
	if r.spoolErr != nil {
		s.Spool.Error = r.spoolErr.Error()
	}
	s.Clock = clockOf(r.time.State())
	h := r.health.Snapshot()
	s.Health = h.Level.String()
	for _, c := range h.Conditions {
		if c.Level != health.OK {
			s.Trouble = append(s.Trouble, trouble{c.Name, c.Level.String(), c.Reason, int64(time.Since(c.Since) / time.Second)})
		}
	}
	for i := range st.Inputs {
		s.Frames += st.Inputs[i].Source.Received
	}
	for i := range up.Collectors {
		c := &up.Collectors[i]
		s.Records = c.Made
		s.Uplinks = append(s.Uplinks, uplinkOf(c, sp.Held.Total(), time.Now()))
	}
	s.Lost = losses(&st, &up, last)
	for _, p := range r.cfg.Ports {
		s.Lost = addLoss(s.Lost, last, "nic/"+p.Name, "frames", "no room in the network card's own memory", missedByNIC(p.Interface))
	}
	return s
}

// uplinkOf is how one collector is; held is all that the spool has.
func uplinkOf(c *uplink.CollectorStats, held buffer.Count, now time.Time) uplinkStatus {
	u := uplinkStatus{Name: c.Collector, State: c.State.String(), Since: seconds(now.Sub(c.Since)), Reason: c.Reason, Confirmed: c.Confirmed,
		Sent: c.SentUnconfirmed, Released: c.Released, Filtered: c.Filtered, Memory: c.InMemory, Spooled: c.Spooled, Resent: c.Resent,
		Rate: math.Round(c.Rate*10) / 10, Waiting: c.Backlog, WaitingBytes: c.BacklogBytes(held.Records, uint64(held.Bytes)), Trouble: c.Trouble}
	if c.Backlog > 0 && !c.Oldest.IsZero() {
		u.Oldest = max(seconds(now.Sub(c.Oldest)), 0)
	}
	if c.Trouble != "" {
		u.TroubleAgo = seconds(now.Sub(c.TroubleAt))
	}
	if !c.Next.IsZero() {
		u.Next = max(seconds(c.Next.Sub(now)), 0)
	}
	if len(c.Members) > 0 {
		u.Uses = taking(c)
	}
	return u
}

func seconds(d time.Duration) int64 { return int64(d / time.Second) }

func clockOf(c clock.State) clockStatus {
	return clockStatus{Right: c.Right, Server: c.Server, Offset: c.Offset.Seconds(), Steps: c.Steps}
}

// losses says what was lost between the ring and the collectors.
func losses(st *probe.Stats, up *uplink.Stats, last map[string]uint64) (l []loss) {
	var queue, spared uint64
	var dropped [capture.NumDropReasons]uint64
	var shed [record.NumClasses]uint64
	shed[record.Line] = st.LinesShed
	for i := range st.Inputs {
		in := &st.Inputs[i]
		l = addLoss(l, last, "ring/"+in.Name, "frames", "the capture ring was full", in.Source.KernelDrops)
		queue += in.QueueDrops
		spared += in.StreamDrops
		for class, n := range in.Shed {
			shed[class] += n
		}
		for reason, n := range in.Dropped {
			dropped[reason] += n
		}
	}
	for reason, n := range dropped {
		l = addLoss(l, last, "decode", "frames", capture.DropReason(reason).String(), n)
	}
	for class, n := range shed {
		l = addLoss(l, last, "queue", "messages", record.Class(class).String()+" left out, as worth least, while the CPU was short", n)
	}
	l = addLoss(l, last, "queue", "messages", "more signalling than the CPU can take", queue)
	l = addLoss(l, last, "reassembly", "segments", "more TCP, SCTP and fragments than the CPU can take", spared)
	for i := range up.Collectors {
		c := &up.Collectors[i]
		if c.Removed {
			continue
		}
		for class := range record.NumClasses {
			l = addLoss(l, last, "spool/"+c.Collector, "records", class.String()+" shed for want of space", c.Shed[class])
			l = addLoss(l, last, "spool/"+c.Collector, "records", class.String()+" evicted, the oldest, for want of space", c.Evicted[class])
			l = addLoss(l, last, "spool/"+c.Collector, "records", class.String()+" older than spool max-age", c.Expired[class])
		}
		l = addLoss(l, last, "spool/"+c.Collector, "records", "the spool was damaged", c.Damaged)
		l = addLoss(l, last, "socket/"+c.Collector, "records", "set aside: the collector does not take them", c.Quarantined)
	}
	return l
}

// addLoss adds one loss to l when there is any.
func addLoss(l []loss, last map[string]uint64, where, what, why string, total uint64) []loss {
	if total == 0 {
		return l
	}
	key := where + " " + why
	l = append(l, loss{where, what, why, total - min(last[key], total), total})
	last[key] = total
	return l
}

// missedByNIC returns how many frames the network card had no room for, by its own count.
func missedByNIC(device string) uint64 {
	text, err := os.ReadFile(filepath.Join("/sys/class/net", device, "statistics/rx_missed_errors"))
	if err != nil {
		return 0
	}
	n, _ := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
	return n
}
