package faults_test

import (
	"testing"
	"time"

	"heptap/hep/heptest"
)

// papers are the certificates of a lab, in PEM files.
type papers struct {
	ca            string // who signed the collectors'
	good, expired paper  // a collector's
	client        paper  // the probe's
	clients       string // who signed it
	strangers     string // who did not
}

type paper struct{ certificate, key string }

func newPapers(t *testing.T) *papers {
	t.Helper()
	names := []string{collectorName}
	for addr, n := uplinkSubnet.Addr().Next(), 0; n < 8; n++ {
		addr = addr.Next()
		names = append(names, addr.String())
	}
	issue := func(ca *heptest.Authority, end time.Duration) (p paper) {
		p.certificate, p.key = heptest.Files(t, t.TempDir(), ca.Issue(t, heptest.Certificate{Names: names,
			NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(end)}))
		return p
	}
	const day = 24 * time.Hour
	ours, probes := heptest.NewAuthority(t, "collectors"), heptest.NewAuthority(t, "probes")
	return &papers{
		ca: ours.File(t, t.TempDir()), good: issue(ours, day), expired: issue(ours, -day),
		client: issue(probes, day), clients: probes.File(t, t.TempDir()),
		strangers: heptest.NewAuthority(t, "strangers").File(t, t.TempDir()),
	}
}

// lines configure the probe for a collector; each begins with set.
func (p *papers) lines(set string) []string {
	return []string{set + "tls-ca " + p.ca, set + "tls-certificate " + p.client.certificate, set + "tls-key " + p.client.key}
}

// serving are a collector's arguments.
func (p *papers) serving(with paper) []string {
	return []string{"-certificate", with.certificate, "-key", with.key, "-client-ca", p.clients}
}
