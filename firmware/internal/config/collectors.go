package config

import (
	"fmt"
	"strings"
	"time"
)

// Arrangement says what goes to which of several collectors.
type Arrangement string

// The arrangements.
const (
	Mirror   Arrangement = "mirror"   // everything to each
	Failover Arrangement = "failover" // everything to the first that is well
	Balance  Arrangement = "balance"  // each call to one
)

// Delivery is about several collectors.
type Delivery struct {
	Arrangement Arrangement
	FailBack    time.Duration // how long a collector that had failed must have been well
	MoveOver    bool          // balance: another one gets the share of one that has failed
}

// TakesOver reports whether one collector takes another's place.
func (d *Delivery) TakesOver() bool {
	return d.Arrangement == Failover || d.Arrangement == Balance && d.MoveOver
}

func deliveryOptions() []Option {
	return []Option{
		single("delivery arrangement", "mirror|failover|balance", "", "with several collectors: each gets everything; or the first that is well does, in the order in which they were first named; or each call, with all that belongs to it, goes to one, and what belongs to no call or to several to all", "balance",
			func(c *Config) *Arrangement { return &c.Delivery.Arrangement }, oneOf(Mirror, Failover, Balance)),
		single("delivery fail-back", "DURATION", "", "how long a collector that had failed must have been well to be used again, 10s to 24h", "5m",
			func(c *Config) *time.Duration { return &c.Delivery.FailBack }, duration(10*time.Second, 24*time.Hour)),
		single("delivery move-over", "on|off", "", "balance: the share of a collector that has failed goes to the next one instead of waiting", "on",
			func(c *Config) *bool { return &c.Delivery.MoveOver }, onOff),
	}
}

// checkDelivery holds the collectors against their arrangement.
func (c *Config) checkDelivery(name string) (errs []error) {
	d := &c.Delivery
	if !d.TakesOver() {
		return nil
	}
	for i := range c.Collector {
		k := &c.Collector[i]
		if k.Transport == UDP {
			errs = append(errs, fmt.Errorf("%s: collector %s: over udp nobody knows whether it is well; add: set collector %s transport tcp", name, k.Name, k.Name))
		}
		if f := c.FilterOf(k); d.Arrangement == Failover && f.On() {
			errs = append(errs, fmt.Errorf("%s: collector %s: no filter where one takes another's place; use trace rule instead", name, k.Name))
		}
	}
	return errs
}

// collectorWarnings says which collectors are one server.
func (c *Config) collectorWarnings() (out []string) {
	if c.Delivery.MoveOver && c.Delivery.Arrangement != Balance {
		out = append(out, "delivery move-over does nothing without: set delivery arrangement balance")
	}
	for i := range c.Collector {
		k := &c.Collector[i]
		f := c.FilterOf(k)
		f.Groups = nil // they are the rules' that are for all
		for _, w := range f.Warnings() {
			out = append(out, fmt.Sprintf("collector %s filter: %s", k.Name, w))
		}
		if n := &k.NATS; n.Token != "" && n.User != "" || n.Credentials != "" && n.User+string(n.Token) != "" {
			out = append(out, fmt.Sprintf("collector %s: of nats-user, nats-token and nats-credentials a NATS server wants one", k.Name))
		}
		for j := range c.Collector[:i] {
			a, b := &c.Collector[j], &c.Collector[i]
			if c.Delivery.Arrangement == Mirror && strings.EqualFold(a.Address, b.Address) && (a.Transport == UDP) == (b.Transport == UDP) {
				out = append(out, fmt.Sprintf("collectors %s and %s have the same address, %s: it gets every record twice", a.Name, b.Name, b.Address))
			}
		}
	}
	return out
}
