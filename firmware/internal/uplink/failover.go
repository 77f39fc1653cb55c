package uplink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// Member is one of the collectors that take each other's place.
type Member struct {
	Name       string
	Dial       func(ctx context.Context) (Conn, error)
	NewEncoder func() Encoder
}

// MemberStatus says how one of them is doing.
type MemberStatus struct {
	Member    string
	Active    bool      // the last connection was to this one
	Failed    bool      // it is not tried but for lack of another
	Since     time.Time // when Failed, or Active of one that has not failed, began
	Reason    string    // what it failed of last
	Dials     uint64    // connections attempted, those that only look how it is aside
	Confirmed uint64    // octets that it has confirmed
}

// Failover has a collector's records go to the first of several members that is well. It
// is that collector's Dial: for the log there is one cursor, so what one
// member has not confirmed is sent to the next.
//
// One that fails, by an attempt to connect or by a connection that ends with something
// unconfirmed, is left until it has been well for Back: it takes connections, and answers a
// half-close, which takes a process that reads. Then it is used from the next barrier on.
type Failover struct {
	members []Member
	back    time.Duration

	mu    sync.Mutex
	state []memberState
}

type memberState struct {
	MemberStatus
	well time.Time // since when a failed one has looked well; zero: not
}

// NewFailover makes a Failover of at least one member, the preferred first.
func NewFailover(back time.Duration, members ...Member) *Failover {
	f := &Failover{members: members, back: back, state: make([]memberState, len(members))}
	for i := range members {
		f.state[i].Member = members[i].Name
	}
	return f
}

// Status returns how each member is doing, the preferred first.
func (f *Failover) Status() (out []MemberStatus) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.state {
		out = append(out, f.state[i].MemberStatus)
	}
	return out
}

// order returns the members in the order in which they are to be tried: those that
// are well as they are preferred, then the failed ones.
func (f *Failover) order() (out []int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, failed := range []bool{false, true} {
		for i := range f.state {
			if f.state[i].Failed == failed {
				out = append(out, i)
			}
		}
	}
	return out
}

// Dial connects to the first member that can be reached.
func (f *Failover) Dial(ctx context.Context) (Conn, error) {
	var errs []error
	for _, i := range f.order() {
		f.mu.Lock()
		f.state[i].Dials++
		f.mu.Unlock()
		c, err := f.members[i].Dial(ctx)
		if err == nil {
			f.use(i)
			return &memberConn{Conn: c, f: f, i: i, made: time.Now()}, nil
		}
		if ctx.Err() != nil {
			return nil, err
		}
		f.failed(i, err.Error())
		errs = append(errs, fmt.Errorf("%s: %w", f.members[i].Name, err))
	}
	return nil, errors.Join(errs...)
}

func (f *Failover) use(member int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.state {
		s := &f.state[i]
		if active := i == member; active != s.Active {
			if s.Active = active; !s.Failed {
				s.Since = time.Now()
			}
		}
	}
}

func (f *Failover) failed(i int, why string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := &f.state[i]
	if !s.Failed {
		s.Failed, s.Since = true, time.Now()
	}
	s.Reason, s.well = why, time.Time{}
}

// confirmed takes note that a member has read octets to the end.
func (f *Failover) confirmed(i int, octets uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.state[i].Confirmed += octets
}

// looks is how often a failed member is looked at while Back passes.
const looks = 4

// Run looks after the failed members until ctx ends.
func (f *Failover) Run(ctx context.Context) {
	tick := time.NewTicker(f.back / looks)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for i := range f.members {
			f.mu.Lock()
			failed := f.state[i].Failed
			f.mu.Unlock()
			if failed {
				f.look(ctx, i)
			}
		}
	}
}

// look finds out whether a failed member is well.
func (f *Failover) look(ctx context.Context, i int) {
	ctx, cancel := context.WithTimeout(ctx, max(f.back/looks, time.Second))
	defer cancel()
	c, err := f.members[i].Dial(ctx)
	if err == nil {
		err = answers(ctx, c)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	s := &f.state[i]
	switch now := time.Now(); {
	case err != nil:
		s.Reason, s.well = err.Error(), time.Time{}
	case s.well.IsZero():
		s.well = now
	case now.Sub(s.well) >= f.back:
		s.Failed, s.Since, s.Reason, s.well = false, now, "", time.Time{}
	}
}

// answers half-closes c, on which nothing was sent, and waits for the answer.
func answers(ctx context.Context, c Conn) error {
	err := c.CloseWrite()
	if err == nil {
		select {
		case <-ctx.Done():
			err = errNoFIN
		case e := <-c.Peer():
			if err = e; errors.Is(e, io.EOF) && c.Confirmed() {
				return c.Close()
			}
		}
	}
	_ = c.Abort()
	return err
}

// memberConn is a connection to a member, who is judged by how it ends.
type memberConn struct {
	Conn
	f    *Failover
	i    int
	made time.Time
}

// NewEncoder is what makes records for this connection.
func (c *memberConn) NewEncoder() Encoder { return c.f.members[c.i].NewEncoder() }

// Close is for one that has confirmed everything.
func (c *memberConn) Close() error {
	c.f.confirmed(c.i, c.Written())
	return c.Conn.Close()
}

// answered reports whether a member that answers for records has answered for all.
func (c *memberConn) answered() bool {
	r, ok := c.Conn.(Receipts)
	if !ok {
		return false
	}
	acked, _ := r.Acked() // the error says that there is nothing newer
	return acked == r.Written()
}

// refusedWithin is how soon a connection ends that was not wanted. One that ends later,
// and on which nothing was sent, was idle for too long, which is no failure.
const refusedWithin = time.Second

// Abort is for one that has not.
func (c *memberConn) Abort() error {
	switch {
	case c.Written() > 0 && !c.answered():
		c.f.failed(c.i, "a connection to it ended with something unconfirmed")
	case time.Since(c.made) < refusedWithin:
		c.f.failed(c.i, "it closed a connection at once")
	}
	return c.Conn.Abort()
}
