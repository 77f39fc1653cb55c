package reach

import (
	"fmt"
	"time"
)

const (
	day = 24 * time.Hour
	// soon is how long before its end a certificate is spoken of, if that is not most
	// of its life: those that live for days are renewed in the last third.
	soon = 14 * day
)

// Expiry is the end of a certificate on the way to a collector.
type Expiry struct {
	Own          bool // the one that is shown to the collector, not the collector's
	Since, Until time.Time
}

// Expiries returns the ends of the certificates of which an end matters: the
// collector's, with those who signed it, of the last connection, and the own one.
func (s *Status) Expiries() (all []Expiry) {
	if s.TLS != nil && !s.TLS.NotAfter.IsZero() {
		all = append(all, Expiry{false, s.TLS.NotBefore, s.TLS.NotAfter})
	}
	if !s.Shown.IsZero() {
		all = append(all, Expiry{true, s.ShownSince, s.Shown})
	}
	return all
}

// Days returns how many whole days are left, less than 0 when it has expired.
func (e Expiry) Days(now time.Time) int {
	left := e.Until.Sub(now)
	if left < 0 {
		return int((left - day + 1) / day)
	}
	return int(left / day)
}

// Soon reports whether somebody should renew it.
func (e Expiry) Soon(now time.Time) bool {
	left := e.Until.Sub(now)
	return left < soon && left < e.Until.Sub(e.Since)/3
}

// Whose says in a word whose certificate it is.
func (e Expiry) Whose() string {
	if e.Own {
		return "own"
	}
	return "collector"
}

// Text says how long it is valid, for a person.
func (e Expiry) Text(now time.Time) string {
	which := "the collector's certificate, or one that signed it,"
	if e.Own {
		which = "this probe's own certificate (tls-certificate)"
	}
	on := e.Until.UTC().Format(time.DateOnly)
	switch n := e.Days(now); {
	case n < 0:
		return fmt.Sprintf("%s has expired on %s", which, on)
	case n == 0:
		return fmt.Sprintf("%s expires within a day, at %s UTC", which, e.Until.UTC().Format(time.DateTime))
	default:
		return fmt.Sprintf("%s expires in %d days, on %s", which, n, on)
	}
}
