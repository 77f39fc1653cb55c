package hep

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"
)

// NetError says what is wrong with the way to a peer in words for who has to mend it.
type NetError struct {
	Text string
	Err  error // what it was made from
}

// Error implements error.
func (e *NetError) Error() string { return e.Text }

// Unwrap returns the cause.
func (e *NetError) Unwrap() error { return e.Err }

// noAnswer is said of a peer that is silent; %s is its address.
const noAnswer = "%s does not answer: is it switched on, the address right, a firewall in between? (timed out)"

// wrong is what is said of an errno wherever it comes up; %s is the peer's address.
var wrong = [...]struct {
	errno syscall.Errno
	text  string
}{
	{syscall.ECONNREFUSED, "nobody listens at %s: is the server running, the port right? (connection refused)"},
	{syscall.ECONNRESET, "%s reset the connection"},
	{syscall.EPIPE, "%s has closed the connection"},
	{syscall.ETIMEDOUT, noAnswer},
	{syscall.EHOSTUNREACH, "%s cannot be reached: no such host in its network, or a router knows no way (no route to host)"},
	{syscall.EHOSTDOWN, "%s cannot be reached: no such host in its network (host is down)"},
	{syscall.ENETUNREACH, "no route leads to %s: has this machine an address, and a gateway? (network is unreachable)"},
	{syscall.EACCES, "a firewall, or a rule of this machine's, forbids packets to %s (permission denied)"},
	{syscall.EPERM, "a firewall, or a rule of this machine's, forbids packets to %s (operation not permitted)"},
	{syscall.ENETDOWN, "the network device towards %s is down"},
}

// inWords explains why nothing comes of, or is left of, a connection to addr.
func inWords(addr string, err error) error {
	for _, w := range wrong {
		if errors.Is(err, w.errno) {
			return &NetError{fmt.Sprintf(w.text, addr), err}
		}
	}
	return fmt.Errorf("hep: %w", err)
}

// whyNotDialled explains why no connection to addr was made.
func (o *DialOptions) whyNotDialled(addr string, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRNOTAVAIL) && o.LocalAddr.IsValid():
		return &NetError{fmt.Sprintf("this machine does not have the address %s to send from", o.LocalAddr.Addr()), err}
	case errors.Is(err, syscall.ENODEV) && o.Interface != "":
		return &NetError{fmt.Sprintf("there is no network device %s to send by", o.Interface), err}
	case errors.Is(err, syscall.EPERM) && o.Interface != "":
		return &NetError{fmt.Sprintf("the device %s to send by cannot be chosen, or a firewall forbids packets to %s (operation not permitted)", o.Interface, addr), err}
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("hep: %w", err)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return &NetError{fmt.Sprintf(noAnswer, addr), err}
	}
	return inWords(addr, err)
}

// checkSource says what is wrong when addr is of the other family than the address to send
// from, of which the net package says no more than that there is no suitable one.
func (o *DialOptions) checkSource(addr string) error {
	to, err := netip.ParseAddrPort(addr)
	from := o.LocalAddr.Addr()
	if err != nil || !from.IsValid() || to.Addr().Unmap().Is4() == from.Unmap().Is4() {
		return nil
	}
	return &NetError{fmt.Sprintf("%s cannot be reached from the address %s: one is IPv4, the other IPv6", addr, from), syscall.EAFNOSUPPORT}
}

// whyNotWritten explains why a Write failed; stall is how long it may make no progress.
func whyNotWritten(addr net.Addr, stall time.Duration, err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return &NetError{fmt.Sprintf("%s has taken nothing for %v: it is overloaded, frozen, or cannot be reached", addr, stall), err}
	}
	return inWords(addr.String(), err)
}
