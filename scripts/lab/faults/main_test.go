package faults_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"testing"

	"heptap/scripts/lab"
	"heptap/scripts/lab/box"
)

// asCollector in the environment makes the test binary a collector.
const asCollector = "HEPTAP_FAULTS_COLLECTOR"

func TestMain(m *testing.M) {
	if os.Getenv(asCollector) != "" {
		if err := collectorMain(os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, "collector:", err)
			os.Exit(1)
		}
		return
	}
	flag.Parse()
	if !isSet("test.parallel") {
		// Most of the time the tests wait for a fault to pass: more of them than
		// there are processors.
		if err := flag.Set("test.parallel", strconv.Itoa(3*runtime.GOMAXPROCS(0))); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	code := m.Run()
	box.RemoveBuilt()
	os.Exit(code)
}

func isSet(name string) (set bool) {
	flag.Visit(func(f *flag.Flag) { set = set || f.Name == name })
	return set
}

// long says whether the long versions are asked for.
func long() bool { return os.Getenv("HEPTAP_LONG") == "1" }

// pick returns core, or big in a long run.
func pick[T any](core, big T) T {
	if long() {
		return big
	}
	return core
}

// need skips a test that cannot run here. In CI, not being able to is a failure.
func need(t testing.TB, err error) {
	t.Helper()
	if err == nil {
		return
	}
	if errors.Is(err, lab.ErrNotRoot) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	t.Fatal(err)
}
