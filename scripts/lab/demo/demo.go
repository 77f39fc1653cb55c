package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"heptap/scripts/lab"
	"heptap/scripts/lab/box"
	"heptap/scripts/lab/relay"
	"heptap/scripts/lab/sipp"
	"heptap/scripts/lab/traffic"
	"heptap/scripts/lab/wire"
)

// Media ports: four a call on each side.
const firstPort = 20000

type settings struct {
	binary       string
	calls        int
	talk         time.Duration
	pull, outage time.Duration
	seed         uint64
}

// demo is the lab with everything that runs in it.
type demo struct {
	settings
	say     *speaker
	site    *lab.Site
	box     *box.Box
	panel   *panel
	witness *wire.Witness
	phones  [2]*traffic.Phone
	sipp    *sipp.Run

	calledBy   sipp.Result
	mostKept   float64 // records in the spool at once
	highWater  float64 // octets of the spool file
	kept       bool    // something was in the spool while the uplink was out
	resent     float64
	kernelDrop float64
}

// close undoes everything.
func (d *demo) close() error {
	var errs []error
	for _, p := range d.phones {
		if p != nil {
			errs = append(errs, p.Close())
		}
	}
	if d.site != nil {
		errs = append(errs, d.site.Close())
	}
	if d.panel != nil {
		errs = append(errs, d.panel.close())
	}
	return errors.Join(errs...)
}

// setUp builds the lab and starts what watches it.
func (d *demo) setUp(ctx context.Context) (err error) {
	d.say.line("Building the lab: two phones, a switch with a mirror port, the probe, an uplink, a collector.")
	bad := relay.Config{Seed: d.seed, MinPort: firstPort, MaxPort: firstPort + 9999,
		Up: relay.Impairment{Loss: 0.015, Duplicate: 0.003, Reorder: 0.004, Jitter: 8 * time.Millisecond}}
	if d.site, err = lab.OpenSite(lab.SiteConfig{RelayA: bad, RelayB: bad}); err != nil {
		return err
	}
	for i, h := range []*lab.Host{d.site.A, d.site.B} {
		// sipp has no RTCP: the lab answers for its phones, but not on the ports
		// of the first call, which sipp opens itself.
		if d.phones[i], err = traffic.NewPhone(traffic.Side{Space: h, Addr: h.Addr}, firstPort+4, d.calls-1, 3*time.Second); err != nil {
			return err
		}
	}
	ready, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if d.witness, err = wire.Watch(ready, d.site, d.site.Probe, "span0"); err != nil {
		return err
	}
	if d.panel, err = openPanel(d.say); err != nil {
		return err
	}
	d.say.line("Starting the probe on the mirror port and the collector behind the uplink (TCP).")
	d.box, err = box.Start(ready, d.site, box.Config{Binary: d.binary, Stderr: d.panel.probeEnd(), Lines: []string{
		"set system board sim", "set capture span0 interface span0", "set media report-interval 5s",
		"set spool max-size 64MiB", "set collector central drain-rate 60", // slow enough to see it
	}})
	if err != nil {
		return fmt.Errorf("%w\n%s", err, d.panel.tail())
	}
	return nil
}

// traffic has sipp make its calls while the uplink is pulled and plugged back.
func (d *demo) traffic(ctx context.Context) (err error) {
	d.say.line("sipp makes %d calls, one a second, of %v each, with RTP both ways. The relays lose about 1.5 %% of it.", d.calls, d.talk)
	d.sipp, err = sipp.Start(d.site, sipp.Config{Calls: d.calls, PerSecond: 1, Talk: d.talk, FirstPort: firstPort})
	if err != nil {
		return err
	}
	d.say.restart()
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	pulled, plugged := false, false
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-d.sipp.Done():
			d.say.line("sipp has made its calls.")
			d.calledBy, err = d.sipp.Wait(ctx)
			return err
		case <-d.box.Probe().Done():
			return fmt.Errorf("the probe has ended\n%s", d.panel.tail())
		case <-tick.C:
		}
		switch at := d.say.elapsed(); {
		case !pulled && at >= d.pull:
			pulled = true
			d.say.line(">>> The uplink is pulled. The calls go on.")
			if err := d.site.Uplink.Pull(); err != nil {
				return err
			}
		case pulled && !plugged && at >= d.pull+d.outage:
			plugged = true
			d.say.line("<<< The uplink is plugged back in.")
			if err := d.site.Uplink.Plug(); err != nil {
				return err
			}
		}
		d.look(ctx, pulled && !plugged)
	}
}

// look asks the probe for its counters, and says something about them every
// five seconds.
func (d *demo) look(ctx context.Context, out bool) {
	m, err := d.box.Metrics(ctx)
	if err != nil {
		return // the next look will do; what is final is asked for in collect
	}
	kept := m.Sum("heptap_uplink_records", `place="spooled"`)
	d.mostKept = max(d.mostKept, kept)
	d.highWater = max(d.highWater, m.Sum("heptap_spool_high_water_bytes"))
	d.kept = d.kept || out && kept > 0
	d.resent = m.Sum("heptap_uplink_resent_total")
	d.kernelDrop = m.Sum("heptap_frames_kernel_drops_total")
	if d.say.due(5 * time.Second) {
		d.say.line("%.0f frames mirrored, %.0f SIP messages, %.0f calls now; %.0f records made, %.0f of them only in the spool",
			m.Sum("heptap_frames_received_total"), m.Sum("heptap_sip_messages_total"), m.Sum("heptap_calls"),
			m.Sum("heptap_uplink_made_total"), kept)
	}
}

// evidence is what was seen on both ends.
type evidence struct {
	wire    []box.Message
	records []box.Record
}

// collect waits until the probe has reported on every call and delivered
// everything, ends it, and reads what arrived.
func (d *demo) collect(ctx context.Context) (e evidence, err error) {
	d.say.line("Waiting until the last reports are made and everything is delivered.")
	bounded, cancel := context.WithTimeout(ctx, 45*time.Second)
	defer cancel()
	for {
		m, err := d.box.Metrics(bounded)
		if err == nil && m.Sum("heptap_calls") == 0 && m.Sum("heptap_rtp_reports_total", `kind="final"`) >= float64(2*d.calls) {
			break
		}
		d.look(bounded, false)
		select {
		case <-bounded.Done():
			if ctx.Err() != nil {
				return e, ctx.Err()
			}
			d.say.line("The probe still follows calls after %v: going on with what there is.", 45*time.Second)
		case <-time.After(250 * time.Millisecond):
			continue
		}
		break
	}
	settle, stop := context.WithTimeout(ctx, 75*time.Second) // the probe has a backlog confirmed once a minute at least
	defer stop()
	if err := d.box.Settled(settle); err != nil {
		return e, fmt.Errorf("%w\n%s", err, d.panel.tail())
	}
	d.look(ctx, false)
	d.panel.await(ctx, 5*time.Second, "SPOOL", "empty")
	d.panel.await(ctx, 5*time.Second, "UPLINK", "up")
	for _, p := range d.phones { // no reports on calls that are over
		if err := p.Close(); err != nil {
			return e, err
		}
	}
	if e.records, err = d.box.Finish(); err != nil {
		return e, fmt.Errorf("%w\n%s", err, d.panel.tail())
	}
	e.wire, err = d.witness.Stop(ctx)
	return e, err
}
