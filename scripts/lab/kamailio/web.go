package kamailio

import (
	"context"
	_ "embed"
	"path/filepath"

	"heptap/scripts/lab"
)

//go:embed web.cfg
var webConfig string

// StartWeb starts Kamailio as registrar and proxy for clients that come over
// WebSocket to addr.
func StartWeb(ctx context.Context, l *lab.Lab, h *lab.Host, addr string) (*Server, error) {
	modules, err := module("websocket", "kamailio-websocket-modules")
	if err != nil {
		return nil, err
	}
	return launch(ctx, l, h, addr, instance{config: webConfig, modules: modules, dir: filepath.Join(l.Dir(), "kamailio-"+addr)})
}
