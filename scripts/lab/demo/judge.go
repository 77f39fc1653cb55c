package main

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"heptap/scripts/lab/box"
	"heptap/scripts/lab/relay"
)

// judge prints the table and returns what is wrong.
func (d *demo) judge(e evidence) error {
	got, err := box.Messages(e.records)
	if err != nil {
		return err
	}
	var wrong []string
	bad := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }

	diff := box.Compare(e.wire, got)
	d.printMedia(e.records, bad)
	d.printSums(e, got, diff, bad)
	d.printStory(bad)

	if d.calledBy.Failed != 0 || d.calledBy.Successful != d.calls {
		bad("%d of %d calls failed", d.calls-d.calledBy.Successful, d.calls)
	}
	if d.calledBy.Failed != 0 {
		fmt.Println(d.calledBy.Errors)
		d.printFailed(e.wire)
	}
	if len(e.wire) == 0 {
		bad("tshark saw no SIP on the mirror")
	}
	for _, m := range diff.Missing {
		bad("missing at the collector: %v", m)
	}
	for _, m := range diff.Extra {
		bad("at the collector, but never on the wire: %v", m)
	}
	if again := float64(len(diff.Again)); again > d.resent {
		bad("%v duplicates at the collector, but the probe says that it sent only %v records again", again, d.resent)
	}
	if d.kernelDrop != 0 {
		bad("the kernel dropped %v mirrored frames: this machine is too busy", d.kernelDrop)
	}
	for _, w := range wrong {
		fmt.Println("WRONG:", w)
	}
	if wrong != nil {
		fmt.Println("\nThe end of the probe's log:\n" + d.panel.tail())
		return fmt.Errorf("FAILED: %d things are wrong", len(wrong))
	}
	fmt.Println("OK: every message on the wire is at the collector, and the probe's figures are the relays'.")
	return nil
}

// printFailed prints what was on the wire of the calls whose BYE was not
// answered, or that never came to one.
func (d *demo) printFailed(wire []box.Message) {
	ended := map[string]bool{}
	for _, m := range wire {
		if m.What == "200" && strings.HasSuffix(m.CSeq, "BYE") {
			ended[m.CallID] = true
		}
	}
	for _, m := range wire {
		if !ended[m.CallID] {
			fmt.Println("on the wire of a failed call:", m)
		}
	}
}

func countType(records []box.Record, t int) (n int) {
	for i := range records {
		if records[i].Type == t {
			n++
		}
	}
	return n
}

// printSums prints the table of totals.
func (d *demo) printSums(e evidence, got []box.Message, diff box.Difference, bad func(string, ...any)) {
	_, reportsA := d.phones[0].Heard()
	_, reportsB := d.phones[1].Heard()
	rtcp := countType(e.records, box.TypeRTCP)
	// Resending may double any record; fewer is a loss.
	if sent := int(reportsA + reportsB); rtcp < sent || rtcp > sent+int(d.resent) {
		bad("%d RTCP records for %d reports that the phones sent", rtcp, sent)
	}
	for _, r := range []struct {
		what string
		n    any
	}{
		{"calls made by sipp", d.calledBy.Successful + d.calledBy.Failed},
		{"  successful / failed", fmt.Sprintf("%d / %d", d.calledBy.Successful, d.calledBy.Failed)},
		{"SIP messages on the wire (tcpdump and tshark)", len(e.wire)},
		{"SIP records at the collector", len(got)},
		{"  duplicates", len(diff.Again)},
		{"  missing", len(diff.Missing)},
		{"RTCP reports sent / records at the collector", fmt.Sprintf("%d / %d", reportsA+reportsB, rtcp)},
		{"RTP reports at the collector", countType(e.records, box.TypeReport)},
		{"spool high-water mark", fmt.Sprintf("%.0f records, file %.0f KiB", d.mostKept, d.highWater/1024)},
	} {
		fmt.Printf("%-50s %v\n", r.what, r.n)
	}
}

// side is one direction of a call: what the probe reported, what the relay did.
type side struct {
	report  *box.Report
	relayed *relay.Stream
}

// printMedia prints a line for each call, and compares the probe's last
// report on each stream with the relay's count.
func (d *demo) printMedia(records []box.Record, bad func(string, ...any)) {
	sides := map[string]*side{} // by source and destination
	at := func(src, dst netip.AddrPort) *side {
		key := src.String() + " " + dst.String()
		if sides[key] == nil {
			sides[key] = &side{}
		}
		return sides[key]
	}
	for _, r := range []*relay.Relay{d.site.RelayA, d.site.RelayB} {
		st := r.Stats()
		if n := st.Up.Overruns + st.Down.Overruns + st.Up.Refused + st.Down.Refused; n != 0 {
			bad("a relay could not keep up: %d frames; this machine is too busy", n)
		}
		for i := range st.Up.Streams {
			s := &st.Up.Streams[i]
			at(s.Src, s.Dst).relayed = s
		}
	}
	for i := range records {
		if records[i].Type != box.TypeReport {
			continue
		}
		r, err := records[i].Report()
		if err != nil {
			bad("%v", err)
			continue
		}
		if r.Type != "FINAL" {
			continue
		}
		src, err1 := netip.ParseAddr(r.SrcIP)
		dst, err2 := netip.ParseAddr(r.DstIP)
		if err := errors.Join(err1, err2); err != nil {
			bad("RTP report: %v", err)
			continue
		}
		at(netip.AddrPortFrom(src, r.SrcPort), netip.AddrPortFrom(dst, r.DstPort)).report = &r
	}
	d.printCalls(sides, bad)
}

func (d *demo) printCalls(sides map[string]*side, bad func(string, ...any)) {
	fmt.Println()
	fmt.Printf("%-28s %-32s   %s\n", "", "caller's voice (RTP)", "callee's voice (RTP)")
	const head = "lost: probe relay of sent   MOS"
	fmt.Printf("%-28s %-32s   %s\n", "call", head, head)
	if len(sides) != 2*d.calls {
		bad("%d RTP streams, want two for each of %d calls", len(sides), d.calls)
	}
	a, b := d.site.A.Addr, d.site.B.Addr
	for n := range d.calls {
		port := uint16(firstPort + 4*n)
		pa, pb := netip.AddrPortFrom(a, port), netip.AddrPortFrom(b, port)
		id := ""
		var cells [2]string
		for i, key := range []string{pa.String() + " " + pb.String(), pb.String() + " " + pa.String()} {
			s := sides[key]
			cells[i] = s.cell()
			if why := s.differs(); why != "" {
				bad("RTP %s: %s", strings.Replace(key, " ", " to ", 1), why)
			}
			if s != nil && s.report != nil {
				if id != "" && id != s.report.CallID {
					bad("RTP %s: reported for call %s, its other direction for %s", key, s.report.CallID, id)
				}
				id = s.report.CallID
			}
		}
		fmt.Printf("%-28s %-32s   %s\n", id, cells[0], cells[1])
	}
	fmt.Println()
}

// differs says how the probe's report differs from what the relay did.
func (s *side) differs() string {
	switch {
	case s == nil:
		return "there was none"
	case s.report == nil:
		return "the probe made no final report"
	case s.relayed == nil:
		return "it did not pass a relay"
	}
	r, d := s.report, s.relayed
	got := []uint64{r.Lost, r.Twice(), r.Reordered, r.Delivered()}
	want := []uint64{d.LostInner, d.Duplicated, d.Reordered, d.Delivered}
	if !slices.Equal(got, want) {
		return fmt.Sprintf("lost, duplicated, reordered, packets: the probe says %v, the relay %v", got, want)
	}
	return ""
}

func (s *side) cell() string {
	if s == nil || s.report == nil || s.relayed == nil {
		return "-"
	}
	return fmt.Sprintf("%11d %5d %7d  %.2f", s.report.Lost, s.relayed.LostInner, s.relayed.Seen, s.report.MOS)
}

// printStory prints what the LEDs said, and checks that they told of the outage.
func (d *demo) printStory(bad func(string, ...any)) {
	fmt.Println("\nWhat the LEDs said:")
	for _, led := range leds {
		var parts []string
		for _, s := range d.panel.told(led) {
			says := s.says
			if says == "" {
				says = "off"
			}
			parts = append(parts, fmt.Sprintf("%s (%.0f s)", says, max(s.at, 0).Seconds()))
		}
		fmt.Printf("  %-8s %s\n", led, strings.Join(parts, ", "))
	}
	fmt.Println()
	end := d.pull + d.outage
	for _, want := range []struct {
		led, when string
		from, to  time.Duration
		says      []string
	}{
		{"CAPTURE", "while sipp calls", 0, time.Duration(d.calls) * time.Second, []string{"calls seen"}},
		{"UPLINK", "while the uplink is pulled", d.pull, end, []string{"connecting", "off"}},
		{"SPOOL", "while the uplink is pulled", d.pull, end, []string{"filling"}},
		{"UPLINK", "after the uplink is plugged back", end, time.Hour, []string{"draining"}},
		{"UPLINK", "after the uplink is plugged back", end, time.Hour, []string{"up"}},
		{"SPOOL", "after the uplink is plugged back", end, time.Hour, []string{"empty"}},
	} {
		if !slices.ContainsFunc(d.panel.told(want.led), func(s scene) bool {
			return slices.Contains(want.says, s.says) && s.at >= want.from && s.at <= want.to
		}) {
			bad("the %s LED did not say %q %s", want.led, strings.Join(want.says, " or "), want.when)
		}
	}
	if !d.kept {
		bad("nothing was in the spool while the uplink was pulled")
	}
}
