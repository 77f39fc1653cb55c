package guest

import (
	"regexp"
	"strings"
)

// Result is how one test in the guest ended.
type Result struct {
	Name string
	How  string // PASS, FAIL or SKIP
	Log  string // what stood between its end and the one before
}

var resultLine = regexp.MustCompile(`^\s*--- (PASS|FAIL|SKIP): (\S+) \(`)

// Results reads what tests under -test.v have written.
func Results(output string) []Result {
	var all []Result
	var log []string
	for line := range strings.Lines(output) {
		line = strings.TrimRight(line, "\r\n")
		if m := resultLine.FindStringSubmatch(line); m != nil {
			all = append(all, Result{Name: m[2], How: m[1], Log: strings.Join(log, "\n")})
			log = nil
			continue
		}
		log = append(log, line)
	}
	return all
}
