package console

import (
	"context"
	"errors"
	"fmt"
)

// Step is a part of the way to a collector, and whether it works.
type Step struct {
	Collector string
	Name      string // "link", "address", ...
	Text      string // how it is, or what is wrong and what to do
	Failed    bool
	Pin       string // of the certificate that was refused
}

// testUplink looks at each step of the way to a collector, or to all.
func (s *session) testUplink(typed []string) (string, error) {
	name := ""
	switch len(typed) {
	case 0:
	case 1:
		name = typed[0]
	default:
		return "", errUsage
	}
	l, err := s.live()
	if err != nil {
		return "", err
	}
	if l.TestUplink == nil {
		return "", errNotRunning
	}
	if !s.showTest(l, name, true) {
		return "", errors.New("not everything works")
	}
	return "everything works\n", nil
}

// showTest shows the steps as they are taken, and says whether all work. accept says
// that a certificate that was refused may be accepted.
func (s *session) showTest(l *Live, collector string, accept bool) (ok bool) {
	ctx, cancel := context.WithCancel(s.t.ctx)
	defer cancel()
	steps := make(chan Step)
	ended := make(chan error, 1)
	go func() {
		ended <- l.TestUplink(ctx, collector, func(st Step) {
			select {
			case steps <- st:
			case <-ctx.Done():
			}
		})
	}()
	ok = true
	var refused []Step
	last := ""
	for {
		select {
		case st := <-steps:
			if st.Collector != last {
				last = st.Collector
				s.t.print(printable(last) + "\n")
			}
			mark := "ok  "
			if st.Failed {
				mark, ok = "FAIL", false
			}
			s.t.print(fmt.Sprintf("  %s %-8s %s\n", mark, st.Name, printable(st.Text)))
			if st.Pin != "" {
				refused = append(refused, st)
			}
			if s.t.interrupted() || s.t.err != nil {
				return false
			}
		case err := <-ended:
			if err != nil {
				s.t.print("  FAIL " + printable(err.Error()) + "\n")
				return false
			}
			if accept && !s.t.batch {
				s.acceptPins(refused)
			}
			return ok
		}
	}
}

// acceptPins asks whether certificates are those of the right servers.
func (s *session) acceptPins(refused []Step) {
	for _, st := range refused {
		s.t.print("\nThe certificate's key is " + printable(st.Pin) + ".\nCompare that with what the server's owner says; whoever sits in between has another one.\n")
		yes, err := s.yes("Accept it for "+st.Collector, "no")
		if err != nil || !yes {
			return
		}
		d, err := s.draft().Set([]string{"collector", st.Collector, "tls-pin", st.Pin})
		if err != nil {
			s.fail(err)
			return
		}
		s.edit(d)
		s.t.print("It is in the candidate; commit puts it to work.\n")
	}
}

func collectorHints(s *session, typed []string) (out []hint) {
	if len(typed) > 0 {
		return nil
	}
	running, _ := s.c.settings.current()
	cfg, err := running.Config("running")
	if err != nil {
		return nil
	}
	for _, c := range cfg.Collector {
		out = append(out, hint{word: c.Name, help: c.Address})
	}
	return out
}
