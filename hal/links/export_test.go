package links

import "testing"

// Merging returns the names of the merging features that are on.
func (l *Links) Merging(t *testing.T, name string) []string {
	t.Helper()
	on, err := mergingOn(l.ioctl, name)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range on {
		names = append(names, f.name)
	}
	return names
}

// SetMerging turns "rx-gro" on or off.
func (l *Links) SetMerging(t *testing.T, name string, on bool) {
	t.Helper()
	names, err := featureNames(l.ioctl, name)
	if err != nil {
		t.Fatal(err)
	}
	for bit, n := range names {
		if n == "rx-gro" {
			if err := setFeatures(l.ioctl, name, []feature{{bit, n}}, on); err != nil {
				t.Fatal(err)
			}
			return
		}
	}
	t.Fatal("this kernel has no rx-gro")
}
