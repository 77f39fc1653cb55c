package console

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"heptap/capture/mirror"
)

// monitorStep is how often monitor shows a line, headEvery how often what they mean.
const (
	monitorStep = time.Second
	headEvery   = 20
)

func testCommands() []command {
	return []command{
		{path: words("monitor"), args: "[N]", help: "counters as they grow, a line a second, and what the LEDs say when that changes, until a key is pressed or N are shown",
			hints: func(_ *session, typed []string) []hint {
				if len(typed) > 0 {
					return nil
				}
				return []hint{{word: "N", help: "1 to 3600", free: true}}
			}, run: (*session).monitor},
		{path: words("test span"), help: "whether the mirror ports are any good, with the evidence and what to change", run: plain((*session).testSpan)},
		{path: words("test uplink"), args: "[COLLECTOR]", help: "each step of the way to the collectors: link, address, gateway, name, connection, certificate, a record that is confirmed",
			hints: collectorHints, run: (*session).testUplink},
		{path: words("test leds"), help: "light each LED of the front panel alone, then all, then none, and say which: ^C ends it", run: plain((*session).testLEDs)},
		{path: words("mark"), args: "TEXT", help: "make a log record of this moment, and pin the packet memory", text: true,
			hints: func(*session, []string) []hint {
				return []hint{{word: "TEXT", help: "what happened", free: true}}
			}, run: (*session).mark},
	}
}

// totals are what monitor shows the growth of.
type totals struct{ frames, drops, octets, sip, records uint64 }

func totalsOf(l *Live) (t totals, line string) {
	p, up, sp := l.Stages.Probe(), l.Stages.Uplink(), l.Stages.Spool()
	for i := range p.Inputs {
		t.frames += p.Inputs[i].Source.Received
		t.drops += p.Inputs[i].Source.KernelDrops
		t.octets += p.Inputs[i].Octets
	}
	t.sip = p.Correlate.SIP.Load()
	for _, n := range p.Records {
		t.records += n
	}
	state, waiting := "none", uint64(0)
	for i := range up.Collectors {
		k := &up.Collectors[i]
		if waiting = max(waiting, k.Spooled); k.Collector != "" {
			state = k.State.String()
		}
	}
	return t, fmt.Sprintf("%6d  %-10s %8d  %9s  %s", p.Correlate.Calls.Load(), state, waiting, sizeText(sp.UsedBytes), l.Stages.Health().Level)
}

func (s *session) monitor(words []string) (string, error) {
	most := uint64(3600)
	switch {
	case len(words) == 1:
		n, err := strconv.ParseUint(words[0], 10, 16)
		if err != nil || n < 1 || n > most {
			return "", errUsage
		}
		most = n
	case len(words) > 1:
		return "", errUsage
	case s.t.batch:
		return "", errors.New("say how many lines: monitor N")
	}
	l, err := s.live()
	if err != nil {
		return "", err
	}
	before, _ := totalsOf(l)
	lit := ""
	for n := range most {
		if n%headEvery == 0 {
			lit = ""
			s.t.print("FRAMES/s   DROPS  MBIT/s  SIP/s  RECORDS/s   CALLS  UPLINK       ON DISK      SPOOL  HEALTH\n")
		}
		_, _, err := s.t.key(monitorStep, nil)
		ended := s.t.batch && err != nil && s.t.ctx.Err() == nil && s.t.err == nil // a script's input may have ended
		switch {
		case errors.Is(err, context.DeadlineExceeded):
		case ended:
			select {
			case <-time.After(monitorStep):
			case <-s.t.ctx.Done():
				return "", s.t.ctx.Err()
			}
		case s.t.batch:
			return "", errors.New("monitor N is the last command that a script can have")
		default:
			return "", nil // a key, or nobody is there
		}
		if l, err = s.live(); err != nil {
			return "", err
		}
		now, rest := totalsOf(l)
		if now.frames < before.frames {
			before = totals{} // the capture began anew
		}
		s.t.print(fmt.Sprintf("%8d %7d %7.1f %6d %10d  %s\n", now.frames-before.frames, now.drops-before.drops, float64(now.octets-before.octets)*8/1e6,
			now.sip-before.sip, now.records-before.records, rest))
		before = now
		if l.LEDs == nil {
			continue
		}
		if now := l.LEDs(); now != lit {
			lit = now
			s.t.print("  LEDs: " + lit + "\n")
		}
	}
	return "", nil
}

func (s *session) testSpan() (string, error) {
	l, err := s.live()
	if err != nil {
		return "", err
	}
	var b strings.Builder
	p := l.Stages.Probe()
	early := false
	for i := range p.Ports {
		v := p.Ports[i].Verdicts
		early = early || len(v) == 0 || v[0].Kind == mirror.TooEarly
		b.WriteString(printable(p.Ports[i].Report))
	}
	if l.Stages.Hidden != nil {
		b.WriteString(printable(l.Stages.Hidden()))
	}
	if early {
		b.WriteString("There was not enough to judge by; ask again when there have been some calls.\n")
	}
	return b.String(), nil
}

func (s *session) mark(words []string) (string, error) {
	if len(words) == 0 {
		return "", errUsage
	}
	l, err := s.live()
	if err != nil {
		return "", err
	}
	if err := l.Mark(strings.Join(words, " "), s.String()); err != nil {
		return "", err
	}
	return "marked\n", nil
}
