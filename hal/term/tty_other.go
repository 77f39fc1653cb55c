//go:build !linux

package term

import "os"

// Open returns a panel that is written to out in lines and has no keys: how to
// read a terminal is implemented for Linux only.
func Open(_, out *os.File, cfg Config) (*Panel, error) {
	cfg.In, cfg.Out, cfg.Live = nil, out, false
	return New(cfg), nil
}
