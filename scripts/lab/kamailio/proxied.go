package kamailio

import (
	"context"
	_ "embed"
	"path/filepath"

	"heptap/scripts/lab"
)

//go:embed proxied.cfg
var proxiedConfig string

// Where a Kamailio of StartProxied looks for media proxies, which must be there
// when it starts, and sends requests on to.
const (
	RTPEngine = "127.0.0.1:2223"
	RTPProxy  = "127.0.0.1:7722"
	Callee    = "127.0.0.1:5070"
)

// StartProxied starts Kamailio as a SIP proxy that tells media proxies of its
// calls, on a host of its own: its ports are fixed.
func StartProxied(ctx context.Context, l *lab.Lab, h *lab.Host, addr string) (*Server, error) {
	modules, err := module("rtpengine", "kamailio")
	if err != nil {
		return nil, err
	}
	return launch(ctx, l, h, addr, instance{config: proxiedConfig, modules: modules, dir: filepath.Join(l.Dir(), "kamailio-"+addr)})
}
