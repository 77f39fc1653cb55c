package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"heptap/capture/pseudonym"
	"heptap/capture/record"
	"heptap/firmware/internal/reach"
	"heptap/hep"
)

// kind reads and prints values of one type.
type kind[T any] struct {
	parse  func(string) (T, error)
	format func(T) string
}

func (k kind[T]) into(p *T, value string) error {
	v, err := k.parse(value)
	if err == nil {
		*p = v
	}
	return err
}

func validName(s string) bool {
	if s == "" || len(s) > 32 {
		return false
	}
	for _, r := range s {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.", r)) {
			return false
		}
	}
	return true
}

func str[T ~string](check func(string) error) kind[T] {
	return kind[T]{
		parse:  func(s string) (T, error) { return T(s), check(s) },
		format: func(v T) string { return string(v) },
	}
}

// maxHeaders is how many names a list of header fields has at most.
const maxHeaders = 8

// headers is a list of names of header fields (RFC 9110 5.1).
var headers = str[List](func(s string) error {
	return checkList(s, maxHeaders, func(name string) error {
		ok := len(name) <= 64 && !strings.ContainsFunc(name, func(r rune) bool {
			return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
		})
		return need(ok, "names of header fields")
	})
})

// keys is a list of names of keys, header fields among them.
var keys = str[List](func(s string) error {
	return checkList(s, maxHeaders, func(name string) error {
		ok := len(name) <= 64 && strings.Trim(name, "-_") != "" && !strings.ContainsFunc(name, func(r rune) bool {
			return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.", r))
		})
		return need(ok, "names of keys: letters, digits, '-', '_' and '.'")
	})
})

var (
	word       = str[string](func(s string) error { return need(validName(s), "one word of letters, digits, '-', '_' or '.'") })
	text       = str[string](func(s string) error { return need(s != "" && len(s) <= 4096, "1 to 4096 octets of text") })
	secret     = str[Secret](func(s string) error { return need(s != "" && len(s) <= 255, "1 to 255 octets of text") })
	longSecret = str[Secret](func(s string) error {
		return need(len(s) >= pseudonym.MinSecret && len(s) <= 255, "16 to 255 octets of text")
	})
	kept = str[List](func(s string) error {
		return checkList(s, 64, func(name string) error { return need(len(name) <= 64, "numbers and names of 64 octets at most") })
	})
	servers = str[List](func(s string) error {
		return checkList(s, 8, func(host string) error {
			return need(checkHostPort(host) == nil || checkHostPort(net.JoinHostPort(host, "123")) == nil, "hosts such as ntp1.example.com or 192.0.2.123:123")
		})
	})
	device = str[string](func(s string) error {
		return need(s != "" && len(s) <= 15 && !strings.ContainsAny(s, "/ :"), "a device name such as eth1, at most 15 octets")
	})
	commands = str[string](checkCommands)
	address  = str[string](func(s string) error {
		ok := !slices.ContainsFunc(List(s).Items(), func(a string) bool { return !reach.CheckAddress(a) }) && len(List(s).Items()) > 0
		return need(ok, "HOST:PORT such as 192.0.2.10:9060 or [2001:db8::10]:9060, or the name of SRV records such as _hep._tcp.example.net")
	})
	subjectPrefix = str[string](func(s string) error {
		ok := len(s) <= 100 && !strings.HasPrefix(s, "_") // _INBOX is for answers
		for token := range strings.SplitSeq(s, ".") {
			ok = ok && token != "" && !strings.ContainsFunc(token, func(r rune) bool {
				letter := 'a' <= r|0x20 && r|0x20 <= 'z' || '0' <= r && r <= '9'
				return !letter && r != '-' && r != '_'
			})
		}
		return need(ok, "1 to 100 letters, digits, - and _, with dots between them, that do not begin with _")
	})
	hostName = str[string](func(s string) error {
		return need(s != "" && len(s) <= 253 && !strings.ContainsAny(s, " /:%") || isAddr(s), "a name such as hep.example.net, or an address")
	})
	pins = str[List](func(s string) error {
		return checkList(s, 8, func(item string) error {
			_, err := hep.ParsePin(item)
			return need(err == nil, "pins: sha256// and 44 characters of base64")
		})
	})
	// classes are names of record classes; calls are not among them.
	classes = str[List](func(s string) error {
		seen := map[string]bool{"call": true}
		return checkList(s, int(record.NumClasses), func(name string) error {
			_, ok := record.ClassNamed(name)
			ok = (ok || name == "none" && s == name) && !seen[name]
			seen[name] = true
			return need(ok, "periodic, keepalive, log, routine, query and final, each once at most; or none")
		})
	})
	ipAddress = kind[netip.Addr]{
		parse: func(s string) (netip.Addr, error) {
			a, err := netip.ParseAddr(s)
			return a, need(err == nil && !a.IsUnspecified(), "an address such as 192.0.2.20")
		},
		format: func(a netip.Addr) string {
			if !a.IsValid() {
				return ""
			}
			return a.String()
		},
	}
	nodeName = str[string](func(s string) error {
		// Homer pastes the name into JSON without escaping it.
		ok := s != "" && len(s) <= 64
		for _, r := range s {
			ok = ok && r > ' ' && r < 0x7f && r != '"' && r != '\\'
		}
		return need(ok, "1 to 64 printable ASCII characters without blanks, quotes and backslashes")
	})
	webAddress = str[string](func(s string) error {
		u, err := url.Parse(s)
		return need(err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.User == nil && len(s) <= 1024, "http://HOST/FILE or https://HOST/FILE, without a password in it")
	})
	timeOfDay = kind[TimeOfDay]{
		parse: func(s string) (TimeOfDay, error) {
			t, err := time.Parse("15:04", s)
			return TimeOfDay(t.Hour()*60 + t.Minute()), need(err == nil && len(s) == len("15:04"), "hours and minutes such as 03:00")
		},
		format: TimeOfDay.String,
	}
	// socketPath is bounded by what sockaddr_un takes.
	socketPath = str[string](func(s string) error {
		return need(s == "off" || strings.HasPrefix(s, "/") && len(s) <= 90, "a path that begins with /, at most 90 octets, or off")
	})
	delimiter = str[string](func(s string) error { return need(s != "" && len(s) <= 8, "1 to 8 octets of text") })
	listenOn  = str[List](func(s string) error { return checkList(s, 8, checkHostPort) })
	prefixes  = str[List](func(s string) error {
		return checkList(s, 64, func(item string) error {
			_, err := parsePrefix(item)
			return need(err == nil, "networks such as 192.0.2.0/24, or addresses")
		})
	})
	onOff = kind[bool]{
		parse: func(s string) (bool, error) { return s == "on", need(s == "on" || s == "off", "on or off") },
		format: func(v bool) string {
			if v {
				return "on"
			}
			return "off"
		},
	}
	loopback = kind[netip.AddrPort]{
		parse: func(s string) (netip.AddrPort, error) {
			if s == "off" {
				return netip.AddrPort{}, nil
			}
			a, err := netip.ParseAddrPort(s)
			return a, need(err == nil && a.Addr().IsLoopback(), "a loopback address and port such as 127.0.0.1:9107, or off")
		},
		format: func(a netip.AddrPort) string {
			if !a.IsValid() {
				return "off"
			}
			return a.String()
		},
	}
)

// ageOrOff is a duration of which 0 is unset and -1 is off.
var ageOrOff = kind[time.Duration]{
	parse: func(s string) (time.Duration, error) {
		if s == "off" {
			return -1, nil
		}
		return duration(time.Hour, 8760*time.Hour).parse(s)
	},
	format: func(d time.Duration) string {
		switch {
		case d == 0:
			return ""
		case d < 0:
			return "off"
		}
		return d.String()
	},
}

func need(ok bool, want string) error {
	if ok {
		return nil
	}
	return fmt.Errorf("want %s", want)
}

// checkList checks the items of a List, of which there are 1 to most.
func checkList(s string, most int, check func(item string) error) error {
	items := List(s).Items()
	if err := need(len(items) > 0 && len(items) <= most && len(s) <= 4096, fmt.Sprintf("1 to %d values with commas between them", most)); err != nil {
		return err
	}
	for _, item := range items {
		if err := check(item); err != nil {
			return err
		}
	}
	return nil
}

// parsePrefix reads a network, or an address as the network of it alone.
func parsePrefix(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil {
		return a.Prefix(a.BitLen())
	}
	p, err := netip.ParsePrefix(s)
	return p.Masked(), err
}

func isAddr(s string) bool { _, err := netip.ParseAddr(s); return err == nil }

func checkHostPort(s string) error {
	host, port, err := net.SplitHostPort(s)
	n, perr := strconv.ParseUint(port, 10, 16)
	return need(err == nil && perr == nil && n > 0 && host != "" && !strings.ContainsAny(host, " /"), "HOST:PORT such as 192.0.2.10:9060 or [2001:db8::10]:9060")
}

func oneOf[T ~string](values ...T) kind[T] {
	return str[T](func(s string) error {
		all := make([]string, len(values))
		for i, v := range values {
			all[i] = string(v)
		}
		return need(slices.Contains(all, s), strings.Join(all, " or "))
	})
}

func number[T int | uint32](low, high int64) kind[T] {
	return kind[T]{
		parse: func(s string) (T, error) {
			n, err := strconv.ParseInt(s, 10, 64)
			return T(n), need(err == nil && n >= low && n <= high, fmt.Sprintf("a number from %d to %d", low, high))
		},
		format: func(v T) string {
			if v == 0 {
				return "" // unset: no option takes 0
			}
			return strconv.FormatInt(int64(v), 10)
		},
	}
}

func duration(low, high time.Duration) kind[time.Duration] {
	return kind[time.Duration]{
		parse: func(s string) (time.Duration, error) {
			d, err := time.ParseDuration(s)
			return d, need(err == nil && d >= low && d <= high, fmt.Sprintf("a duration from %v to %v, such as %v", low, high, low))
		},
		format: func(d time.Duration) string { return d.String() },
	}
}

func offOr[T ~int64](k kind[T]) kind[T] {
	return kind[T]{
		parse: func(s string) (T, error) {
			if s == "off" {
				return 0, nil
			}
			return k.parse(s)
		},
		format: func(v T) string {
			if v == 0 {
				return "off"
			}
			return k.format(v)
		},
	}
}
