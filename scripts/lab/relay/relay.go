package relay

import (
	"errors"
	"fmt"
	"net"
	"runtime"
	"sync"
	"time"
)

// Impairment is what happens to the RTP of one direction. The zero
// Impairment forwards everything.
type Impairment struct {
	Loss      float64       // probability that a packet is lost, 0 to 1
	Duplicate float64       // that it is sent twice
	Reorder   float64       // that it is held back until 1 to ReorderBy later ones have passed
	ReorderBy int           // 0 means 3
	Jitter    time.Duration // each is delayed by up to so much; that alone reorders nothing
	Others    float64       // probability that an IP packet is lost that is no RTP on the ports to impair
}

// Config is the configuration of a relay.
type Config struct {
	Seed             uint64
	MinPort, MaxPort uint16     // UDP ports, at either end, on which RTP is impaired; 0, 0: none
	Up, Down         Impairment // from the first interface to the second, and back
}

// Relay is a running relay.
type Relay struct {
	lanes [2]*lane
	wg    sync.WaitGroup
	once  sync.Once
	err   error
}

// processor numbers lanes so that they spread over the processors.
func processor(i int) int { return i % runtime.NumCPU() }

// Open starts a relay between two interfaces of the current network
// namespace, which must be up and have no addresses. Close must be called.
func Open(a, b string, cfg Config) (*Relay, error) {
	ends := [2]*port{}
	closeAll := func() {
		for _, p := range ends {
			if p != nil {
				p.close()
			}
		}
	}
	for i, name := range []string{a, b} {
		dev, err := net.InterfaceByName(name)
		if err == nil {
			ends[i], err = openPort(dev.Index)
		}
		if err != nil {
			closeAll()
			return nil, fmt.Errorf("relay interface %s: %w", name, err)
		}
	}
	r := &Relay{}
	r.lanes[0] = newLane(ends[0], ends[1], cfg, cfg.Up, 0)
	r.lanes[1] = newLane(ends[1], ends[0], cfg, cfg.Down, 1)
	for i, l := range r.lanes {
		r.wg.Go(func() { l.run(processor(i)) })
	}
	return r, nil
}

// Close sends on what was held back and stops forwarding.
func (r *Relay) Close() error {
	r.once.Do(func() {
		for _, l := range r.lanes {
			l.stop.Store(true)
		}
		r.wg.Wait()
		var errs []error
		for _, l := range r.lanes {
			errs = append(errs, l.err)
			l.in.close()
		}
		r.err = errors.Join(errs...)
	})
	return r.err
}

// Stats is what the relay did so far.
type Stats struct {
	Up   Direction `json:"up"`
	Down Direction `json:"down"`
}

// Direction is what was done in one direction.
type Direction struct {
	FramesIn  uint64   `json:"frames_in"`
	FramesOut uint64   `json:"frames_out"`
	BytesIn   uint64   `json:"bytes_in"`
	Others    uint64   `json:"others"`   // frames lost, other than RTP on the ports to impair
	Overruns  uint64   `json:"overruns"` // frames the kernel dropped because the relay was too slow: must be 0
	Refused   uint64   `json:"refused"`  // frames the far interface did not take: must be 0
	Streams   []Stream `json:"streams"`
}

// Stats returns what was done so far. The figures of a stream that has packets
// held back are not final.
func (r *Relay) Stats() Stats {
	return Stats{Up: r.lanes[0].stats(), Down: r.lanes[1].stats()}
}
