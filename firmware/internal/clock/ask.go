package clock

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/beevik/ntp"
)

// askFor is how long a server has to answer.
const askFor = 5 * time.Second

// MaxServers is how many servers are asked at most.
const MaxServers = 8

// NTP asks one server, a host with or without a port.
func NTP(ctx context.Context, server string) (Answer, error) {
	r, err := ntp.QueryWithOptions(server, ntp.QueryOptions{Timeout: askFor, Dialer: func(local, remote string) (net.Conn, error) {
		return (&net.Dialer{Timeout: askFor}).DialContext(ctx, "udp", remote)
	}})
	if err == nil {
		err = r.Validate()
	}
	if err != nil {
		return Answer{}, fmt.Errorf("%s: %w", server, err)
	}
	return Answer{Server: server, Offset: r.ClockOffset, Distance: r.RootDistance}, nil
}

// ask asks all servers at once.
func (k *Keeper) ask(ctx context.Context, servers []string) (Answer, error) {
	servers = servers[:min(len(servers), MaxServers)]
	answers := make([]Answer, len(servers))
	errs := make([]error, len(servers))
	var all sync.WaitGroup
	for i, s := range servers {
		all.Go(func() { answers[i], errs[i] = k.o.Ask(ctx, s) })
	}
	all.Wait()
	var good []Answer
	for i := range servers {
		if errs[i] == nil {
			good = append(good, answers[i])
		}
	}
	if len(good) == 0 {
		return Answer{}, errors.Join(errs...)
	}
	return choose(good)
}
