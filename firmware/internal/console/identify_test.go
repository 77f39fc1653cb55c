package console

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestIdentify(t *testing.T) {
	r := newRig(t, "set capture span0 interface eth1\nset uplink interface eth0\n")
	if out, done := r.script(t, "identify port span0\n"); done || !strings.Contains(out, "not from here") {
		t.Errorf("where nobody can: %q", out)
	}
	r.o.Identify = func(_ context.Context, device string, tell func(string)) error {
		tell(device + " is here\x1b[2J")
		if device == "none" {
			return errors.New("there is no port none")
		}
		return nil
	}
	for _, c := range []struct {
		line, want string
		done       bool
	}{
		{"identify port span0", "  eth1 is here.[2J\n", true},
		{"identify port uplink", "  eth0 is here.[2J\n", true},
		{"identify port eth7", "  eth7 is here.[2J\n", true},
		{"identify port none", "error: there is no port none", false},
		{"identify port", "want: identify port NAME", false},
		{"identify port a b", "want: identify port NAME", false},
	} {
		if out, done := r.script(t, c.line+"\n"); done != c.done || !strings.Contains(out, c.want) {
			t.Errorf("%s: %v, %q, want %q", c.line, done, out, c.want)
		}
	}
	if out := r.say(t, "identify port ?\x03"); !strings.Contains(out, "span0") || !strings.Contains(out, "uplink") || !strings.Contains(out, "DEVICE") {
		t.Errorf("%q", out)
	}
	r.o.Ports = func() ([]NetworkPort, error) {
		return []NetworkPort{{Name: "eth0", State: "link"}, {Name: "eth1", State: "link"}, {Name: "eth2", State: "no link"}}, nil
	}
	if out := r.say(t, "identify port ?\x03"); !strings.Contains(out, "eth2") || strings.Contains(out, "DEVICE") || strings.Count(out, "eth1") != 1 {
		t.Errorf("%q", out)
	}
	if out := r.say(t, "identify port sp\t\r"); !strings.Contains(out, "eth1 is here") {
		t.Errorf("%q", out)
	}
}

// TestIdentifyEnds has one that goes on until a key comes; the LF that some terminals
// send behind the CR of the command is none.
func TestIdentifyEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "set capture span0 interface eth1\n")
		ended := make(chan error, 1)
		r.o.Identify = func(ctx context.Context, _ string, tell func(string)) error {
			tell("begins")
			<-ctx.Done()
			ended <- ctx.Err()
			return nil
		}
		ctx, cancel := context.WithCancel(context.Background())
		y := r.sit(ctx)
		if out := y.types("identify port span0\r\n"); !strings.HasSuffix(out, "begins\r\n") {
			t.Errorf("%q", out)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if len(ended) > 0 {
			t.Error("the end of the line ended it")
		}
		y.types("x")
		time.Sleep(time.Second)
		if out := y.types(""); !strings.HasSuffix(out, "heptap> ") || !errors.Is(<-ended, context.Canceled) {
			t.Errorf("%q", out)
		}
		cancel()
		<-y.ended
	})
}
