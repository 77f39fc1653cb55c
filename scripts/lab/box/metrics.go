package box

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
)

// Metrics are the probe's metrics: the value of each name with its labels, as
// Prometheus writes it.
type Metrics map[string]float64

// Sum adds up the values of a metric in whose labels all the parts occur.
func (m Metrics) Sum(name string, labels ...string) float64 {
	sum := 0.0
next:
	for key, v := range m {
		if base, _, _ := strings.Cut(key, "{"); base != name {
			continue
		}
		for _, l := range labels {
			if !strings.Contains(key, l) {
				continue next
			}
		}
		sum += v
	}
	return sum
}

// dial reaches the metrics, which are on the loopback of the probe's namespace.
func (b *Box) dial(ctx context.Context, network, addr string) (conn net.Conn, err error) {
	err = b.site.Probe.Do(func() error {
		var d net.Dialer
		conn, err = d.DialContext(ctx, network, addr)
		return err
	})
	return conn, err
}

// Metrics asks the probe.
func (b *Box) Metrics(ctx context.Context) (Metrics, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+metricsAddr+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	resp, err := b.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("metrics: %s", resp.Status)
	}
	m := Metrics{}
	in := bufio.NewScanner(resp.Body)
	for in.Scan() {
		line := in.Text()
		i := strings.LastIndexByte(line, ' ')
		if i < 0 || line[0] == '#' {
			continue
		}
		if v, err := strconv.ParseFloat(line[i+1:], 64); err == nil {
			m[line[:i]] = v
		}
	}
	return m, in.Err()
}
