package onboard

import (
	"os"
	"os/exec"
	"testing"

	"heptap/scripts/lab/guest/inside"
)

// TestLinks runs the tests of hal/links that need a kernel with bonds and VLANs,
// which not every machine has that runs tests.
func TestLinks(t *testing.T) {
	for _, m := range []string{"veth", "bonding", "8021q"} {
		inside.Load(t, m)
	}
	cmd := exec.Command("/links", "-test.v", "-test.run=^TestAddresses$")
	cmd.Env = append(os.Environ(), "CI=true")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		t.Error(err)
	}
}
