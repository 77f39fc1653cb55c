package faults_test

import (
	"regexp"
	"strconv"
	"testing"
	"time"
)

// TestWear: records that come along slowly in an outage cost two commits a second at most, and `heptap spool ls`
// says what was written to the medium for them.
func TestWear(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.run()
	r.traffic(50)
	r.elapse(2 * time.Second)
	commits := func() int { return int(r.metrics().Sum("heptap_spool_commits_total")) }
	from, began := commits(), time.Now()
	r.elapse(pick(10*time.Second, time.Minute))
	n := commits() - from
	took := time.Since(began).Seconds()
	if most := int(2*took) + 1; n > most || n == 0 {
		t.Errorf("%d commits in %.1f s, at most %d were due", n, took, most)
	}
	r.pause()
	r.captured(0)
	r.stop()
	ls := r.heptap("spool", "ls", r.spoolFile())
	said := regexp.MustCompile(`written   ([0-9]+) octets in ([0-9]+) commits, ([0-9.]+) times the records'`).FindStringSubmatch(ls)
	if said == nil {
		t.Fatalf("nothing of what was written in:\n%s", ls)
	}
	if all, err := strconv.Atoi(said[2]); err != nil || all < from+n {
		t.Errorf("%s commits are said, and at least %d were made: %v", said[2], from+n, err)
	}
	t.Logf("%.2f commits a second with 50 records a second; %s", float64(n)/took, said[0])
}
