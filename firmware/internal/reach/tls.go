package reach

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"

	"heptap/hep"
)

// TLS says what the configuration does of TLS. The files are PEM.
type TLS struct {
	Name             string // what the collector's certificate must name; empty is the host
	CA               string // file: who may have signed it; empty is the system's
	Pins             []hep.Pin
	Certificate, Key string      // files: what is shown to the collector; empty shows none
	ClockSet         func() bool // whether the clock was ever set; nil trusts it
}

// options reads the files.
func (t *TLS) options() (*hep.TLSOptions, error) {
	o := &hep.TLSOptions{ServerName: t.Name, Pins: t.Pins, ClockSet: t.ClockSet}
	if t.CA != "" {
		b, err := os.ReadFile(t.CA)
		if err != nil {
			return nil, fmt.Errorf("TLS: tls-ca: %w", err)
		}
		o.Roots = x509.NewCertPool()
		if !o.Roots.AppendCertsFromPEM(b) {
			return nil, fmt.Errorf("TLS: tls-ca: %s: no certificate in it", t.CA)
		}
	}
	if t.Certificate != "" {
		pair, err := tls.LoadX509KeyPair(t.Certificate, t.Key)
		if err != nil {
			return nil, fmt.Errorf("TLS: tls-certificate and tls-key: %w", err)
		}
		o.Certificate = &pair
	}
	return o, nil
}
