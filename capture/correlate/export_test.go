package correlate

import (
	"fmt"
	"slices"
)

// Left is how much c remembers, of any kind.
func (c *Correlator) Left() int {
	return len(c.calls) + c.endpoints.used + len(c.tunnelled) + len(c.streams) + len(c.senders) + c.silentCalls + c.foreign
}

// Bindings says what is known of the media addresses of a call, in the order of the
// addresses.
func (c *Correlator) Bindings(id string) (out []string) {
	k, _ := c.lookup([]byte(id))
	if k == nil {
		return nil
	}
	for _, b := range k.bindings {
		out = append(out, fmt.Sprintf("%x party %d rank %d kind %v use %d secure %t udptl %t hidden %t %v", b.place, b.party, b.rank, b.kind,
			b.use, b.secure, b.udptl, b.hidden, b.codecs()))
	}
	slices.Sort(out)
	return out
}
