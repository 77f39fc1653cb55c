package reach

import (
	"context"
	"net/netip"

	"heptap/hep"
)

// Stream is a connection for another protocol than HEP, which takes note of how it ends.
type Stream struct {
	*hep.Stream
	d  *Dialer
	at netip.AddrPort
}

// DialStream makes one attempt. An address will do if agree, which says whether the server there
// is what it should be, returns nil; otherwise the connection is closed, and the next is tried.
func (d *Dialer) DialStream(ctx context.Context, agree func(context.Context, *Stream) error) error {
	return d.each(ctx, func(ctx context.Context, at netip.AddrPort, opts hep.DialOptions) error {
		c, err := hep.DialStream(ctx, at.String(), opts)
		if err != nil {
			return err
		}
		s := &Stream{c, d, at}
		if err := agree(ctx, s); err != nil {
			_ = s.Close() // it came to nothing, and why is known
			return err
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		d.reached(at, c.TLS())
		return nil
	})
}

// At is where it leads.
func (s *Stream) At() netip.AddrPort { return s.at }

// Broke takes note that it did not end well: another address is tried first.
func (s *Stream) Broke() {
	s.d.mu.Lock()
	defer s.d.mu.Unlock()
	s.d.last(s.at)
}
