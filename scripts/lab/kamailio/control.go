package kamailio

import (
	"context"
	_ "embed"
	"path/filepath"

	"heptap/scripts/lab"
)

//go:embed control.cfg
var controlConfig string

// Where a Kamailio of StartControl listens for commands beside addr, which
// takes JSON-RPC over HTTP at /RPC.
const (
	ControlJSON   = "127.0.0.1:8060" // UDP, JSON-RPC
	ControlTCP    = "127.0.0.1:2046" // binrpc
	ControlBinUDP = "127.0.0.1:2047" // binrpc
)

// StartControl starts Kamailio for those who manage it, on a host of its own:
// its ports are fixed.
func StartControl(ctx context.Context, l *lab.Lab, h *lab.Host, addr string) (*Server, error) {
	modules, err := module("ctl", "kamailio")
	if err != nil {
		return nil, err
	}
	return launch(ctx, l, h, addr, instance{config: controlConfig, modules: modules, dir: filepath.Join(l.Dir(), "kamailio-"+addr)})
}
