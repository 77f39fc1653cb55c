package config

import (
	"fmt"
	"strconv"
	"strings"
)

// units are powers of two; the short forms are accepted, the long ones printed.
var units = []struct {
	name, short string
	shift       uint
}{{"GiB", "G", 30}, {"MiB", "M", 20}, {"KiB", "K", 10}, {"B", "", 0}}

func size(low, high int64) kind[int64] {
	return kind[int64]{
		parse: func(s string) (int64, error) {
			n, ok := parseSize(s)
			return n, need(ok && n >= low && n <= high, fmt.Sprintf("a size from %s to %s, such as %s", formatSize(low), formatSize(high), formatSize(low)))
		},
		format: func(n int64) string {
			if n == 0 {
				return "" // unset: no option takes 0
			}
			return formatSize(n)
		},
	}
}

func parseSize(s string) (int64, bool) {
	for _, u := range units {
		digits, ok := strings.CutSuffix(s, u.name)
		if !ok && u.short != "" {
			digits, ok = strings.CutSuffix(s, u.short)
		}
		if !ok && u.shift == 0 {
			digits, ok = s, true
		}
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(digits, 10, 63-int(u.shift))
		return int64(n) << u.shift, err == nil
	}
	return 0, false
}

func formatSize(n int64) string {
	for _, u := range units {
		if n != 0 && n&(1<<u.shift-1) == 0 {
			return strconv.FormatInt(n>>u.shift, 10) + u.name
		}
	}
	return strconv.FormatInt(n, 10) + "B"
}
