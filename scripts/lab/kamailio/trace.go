package kamailio

import (
	"context"
	_ "embed"
	"path/filepath"
	"strings"

	"heptap/scripts/lab"
)

//go:embed trace.cfg
var traceConfig string

// StartTrace starts Kamailio at two addresses, where it answers OPTIONS and
// sends every message as HEP3 to hep, a host and port, perhaps with
// ";transport=tcp". It sends from the second address.
func StartTrace(ctx context.Context, l *lab.Lab, h *lab.Host, addr, also, hep string) (*Server, error) {
	modules, err := module("siptrace", "kamailio")
	if err != nil {
		return nil, err
	}
	text := strings.NewReplacer("@ALSO@", also, "@HEP@", hep).Replace(traceConfig)
	return launch(ctx, l, h, addr, instance{config: text, modules: modules, dir: filepath.Join(l.Dir(), "kamailio-"+addr)})
}
