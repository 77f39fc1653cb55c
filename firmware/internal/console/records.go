package console

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"heptap/capture/record"
	"heptap/firmware/internal/listing"
	"heptap/firmware/internal/recent"
)

// clockLayout is how lists show when something was, in UTC.
const clockLayout = "15:04:05.000"

func clock(wall int64) string { return time.Unix(0, wall).UTC().Format(clockLayout) }

// errStopped says that ^C was typed.
var errStopped = errors.New("stopped")

// lookEvery is after how many records a search looks whether it is still wanted.
const lookEvery = 2048

func recordCommands() []command {
	out := []command{
		list("show connections", "connections of TCP, TLS, WebSocket and SCTP", record.Net),
		list("show rest", "queries over HTTP", record.REST),
		list("show mi", "management commands", record.MI),
		list("show log", "lines of logs, and events in calls", record.Log),
		list("show dns", "questions and replies of DNS", record.DNS),
		list("show isup", "ISUP, on circuits and in SIP", record.ISUP),
		list("show sip", "SIP messages", record.SIP),
		list("show rtp", "reports on RTP streams", record.RTPReport),
		list("show rtcp", "RTCP", record.RTCP),
		list("show links", "links that numbers and times show", record.Control),
		list("show records", "records of all types"),
	}
	return append(out, command{path: words("show record"), args: "N", help: "all of a record, by its number in the lists",
		hints: func(*session, []string) []hint {
			return []hint{{word: "N", help: "the number that lists begin with", free: true}}
		}, run: (*session).showRecord})
}

const queryArgs = "[where FIELD OP VALUE ...] [last N]"

// list makes the command that lists records of some types.
func list(path, help string, types ...record.Type) command {
	return command{path: words(path), args: queryArgs, help: help,
		hints: func(s *session, typed []string) []hint {
			return queryHints(typed, func() []string { return s.fieldNames(types) })
		},
		run: func(s *session, words []string) (string, error) {
			q, err := parseQuery(words)
			if err != nil {
				return "", err
			}
			return s.listRecords(q, types)
		}}
}

// each goes through the recent records, the oldest first, until there are no more or
// ^C is typed.
func (s *session) each(types []record.Type, visit func(*record.Record)) error {
	l, err := s.live()
	if err != nil {
		return err
	}
	if l.Recent == nil {
		return errNoRecent
	}
	n := 0
	l.Recent.Each(func(r *record.Record) bool {
		visit(r)
		n++
		if n%lookEvery == 0 && s.t.interrupted() {
			err = errStopped
		}
		return err == nil
	}, types...)
	return err
}

// newest keeps the last of what is added.
type newest[T any] struct {
	most, total int
	items       []T // a ring once it is full
}

func (n *newest[T]) add(v T) {
	if len(n.items) < n.most {
		n.items = append(n.items, v)
	} else {
		n.items[n.total%n.most] = v
	}
	n.total++
}

// list returns them, the oldest first.
func (n *newest[T]) list() []T {
	if n.total <= n.most {
		return n.items
	}
	i := n.total % n.most
	return slices.Concat(n.items[i:], n.items[:i])
}

// left says how many more there were.
func (n *newest[T]) left(what string) string {
	if n.total <= n.most {
		return fmt.Sprintf("%d %s\n", n.total, what)
	}
	return fmt.Sprintf("the newest %d of %d %s; last N shows more\n", n.most, n.total, what)
}

func (s *session) listRecords(q query, types []record.Type) (string, error) {
	found := newest[string]{most: q.last}
	err := s.each(types, func(r *record.Record) {
		if q.fits(&recordFields{r: r}) {
			found.add(s.recordLine(r, len(types) != 1))
		}
	})
	return strings.Join(found.list(), "") + found.left("records"), err
}

// recordLine is a record in a line that fits the terminal.
func (s *session) recordLine(r *record.Record, typed bool) string {
	kind := ""
	if typed {
		kind = r.Type.String() + " "
	}
	what := listing.Printable(listing.Gist(r))
	line := fmt.Sprintf("%d %s %s%s > %s %s", r.Seq, clock(r.Wall), kind, listing.End(r.Flow.Src), listing.End(r.Flow.Dst), what)
	return s.cut(line) + "\n"
}

// maxScriptLine is how much of a line scripts get.
const maxScriptLine = 300

// cut shortens a line to the terminal's width.
func (s *session) cut(line string) string {
	if s.t.batch {
		return listing.Shorten(line, maxScriptLine)
	}
	return listing.Shorten(line, s.t.width-4)
}

func (s *session) showRecord(words []string) (string, error) {
	if len(words) != 1 {
		return "", errUsage
	}
	n, err := strconv.ParseUint(strings.TrimPrefix(words[0], "#"), 10, 64)
	if err != nil {
		return "", errUsage
	}
	text := ""
	if err := s.each(nil, func(r *record.Record) {
		if r.Seq == n {
			text = wholeRecord(r)
		}
	}); err != nil {
		return "", err
	}
	if text == "" {
		return "", fmt.Errorf("record %d is not held, or not any more", n)
	}
	return text, nil
}

func wholeRecord(r *record.Record) string {
	var b strings.Builder
	fmt.Fprintf(&b, "record %d, %v, %s, %s\n", r.Seq, r.Type, listing.At(r), listing.Flow(&r.Flow))
	if len(r.Primary) > 0 {
		fmt.Fprintf(&b, "id %s\n", listing.Printable(string(r.Primary)))
	}
	for i := range r.Links {
		l := &r.Links[i]
		fmt.Fprintf(&b, "linked with %v %s (%s)\n", l.Type, listing.Printable(string(l.ID)), listing.Trust(recent.Trust{How: l.How, Score: l.Score}))
	}
	if names := listing.Flags(r.Flags); len(names) > 0 {
		fmt.Fprintf(&b, "flags %s\n", strings.Join(names, ", "))
	}
	var pretty bytes.Buffer
	text := string(r.Payload)
	if r.Type != record.SIP && json.Indent(&pretty, r.Payload, "", "  ") == nil {
		text = pretty.String()
	}
	b.WriteString(printable(strings.ReplaceAll(text, "\r\n", "\n")))
	if !strings.HasSuffix(text, "\n") {
		b.WriteString("\n")
	}
	return b.String()
}

// sampleSize is how many records are asked for the names of their fields.
const sampleSize = 50

// fieldNames are those that records of some types have.
func (s *session) fieldNames(types []record.Type) []string {
	names := commonFields()
	if slices.Contains(types, record.SIP) || len(types) == 0 {
		names = append(names, sipFields()...)
	}
	l, err := s.live()
	if err != nil || l.Recent == nil {
		return names
	}
	n, own := 0, []string(nil)
	l.Recent.Each(func(r *record.Record) bool {
		var object map[string]json.RawMessage
		if r.Type != record.SIP && json.Unmarshal(r.Payload, &object) == nil {
			for key := range object {
				if key = strings.ToLower(key); !slices.Contains(own, key) && !strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' }) && len(own) < 200 {
					own = append(own, key)
				}
			}
		}
		n++
		return n < sampleSize
	}, types...)
	slices.Sort(own)
	return append(names, own...)
}
