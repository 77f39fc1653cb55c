package listing

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf8"

	"heptap/capture"
	"heptap/capture/record"
	"heptap/firmware/internal/recent"
)

// timeLayout is RFC 3339 with microseconds, as heptap decode prints it.
const timeLayout = "2006-01-02T15:04:05.000000Z"

// At is when a record is of.
func At(r *record.Record) string { return time.Unix(0, r.Wall).UTC().Format(timeLayout) }

// Write writes a table: when, of what type, of which flow, how it is linked
// with what was asked for, and what it says.
func Write(w io.Writer, found []recent.Found) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "TIME\tTYPE\tFLOW\tLINKED\tWHAT")
	for i := range found {
		f := &found[i]
		linked := Trust(f.Path)
		if f.Depth > 0 {
			linked += fmt.Sprintf(" via %v %s", f.Via.Type, Printable(Shorten(f.Via.Text, maxVia)))
		}
		what := Printable(Shorten(Gist(&f.Record), maxGist))
		if names := Flags(f.Flags); len(names) > 0 {
			what += " (" + strings.Join(names, ", ") + ")"
		}
		fmt.Fprintf(t, "%s\t%v\t%s\t%s\t%s\n", At(&f.Record), f.Type, Flow(&f.Flow), linked, what)
	}
	return t.Flush()
}

const (
	maxVia  = 40  // runes of an id
	maxGist = 160 // runes of what a record says
)

// Trust says how a link was found.
func Trust(t recent.Trust) string {
	if t.How == record.Inferred {
		return fmt.Sprintf("%v %d", t.How, t.Score)
	}
	return t.How.String()
}

// Flow says between whom a record is.
func Flow(f *capture.FiveTuple) string {
	return fmt.Sprintf("%s %s > %s", Protocol(f.Proto), End(f.Src), End(f.Dst))
}

// Protocol is the name of an IP protocol.
func Protocol(p uint8) string {
	switch p {
	case capture.ProtoUDP:
		return "udp"
	case capture.ProtoTCP:
		return "tcp"
	case capture.ProtoSCTP:
		return "sctp"
	}
	return fmt.Sprint("ip ", p)
}

// End is an address with its port, or a dash.
func End(a netip.AddrPort) string {
	if !a.Addr().IsValid() {
		return "-"
	}
	return a.String()
}

// Flags are the names of what a record is marked with.
func Flags(flags uint16) (names []string) {
	for _, f := range []struct {
		bit  uint16
		name string
	}{{record.FlagGap, "gap"}, {record.FlagCut, "cut"}, {record.FlagDuplicate, "duplicate"}} {
		if flags&f.bit != 0 {
			names = append(names, f.name)
		}
	}
	return names
}

// Gist is what a record says, in a line: the first line of SIP, of a JSON object
// the members that tells lets through.
func Gist(r *record.Record) string {
	if r.Type != record.SIP {
		if s, ok := members(r.Type, r.Payload); ok {
			return s
		}
	}
	line, _, _ := bytes.Cut(bytes.TrimLeft(r.Payload, "\r\n"), []byte("\n"))
	return string(bytes.TrimRight(line, "\r"))
}

// tells says whether a member of a record's object belongs into a line: of the
// thirty of a report a few, and otherwise all but what the other columns show.
func tells(t record.Type, key string) bool {
	switch key {
	case "TYPE", "SSRC", "CODEC_NAME", "TOTAL_PK", "PACKET_LOSS_PERCENT", "MEAN_JITTER", "MEAN_MOS":
		return true
	case "Protocol", "Event", "callid", "client_ip", "client_port", "server_ip", "server_port", "src_ip", "src_port", "dst_ip", "dst_port":
		return false
	}
	return t != record.RTPReport
}

// members prints the members of a JSON object that are no objects or lists and
// that tell something, and says whether it is one.
func members(t record.Type, object []byte) (string, bool) {
	d := json.NewDecoder(bytes.NewReader(object))
	if first, err := d.Token(); err != nil || first != json.Delim('{') {
		return "", false
	}
	var b strings.Builder
	for d.More() {
		token, err := d.Token()
		key, ok := token.(string)
		var value json.RawMessage
		if err != nil || !ok || d.Decode(&value) != nil {
			return "", false
		}
		var text string
		switch {
		case !tells(t, key):
			continue
		case value[0] == '{' || value[0] == '[':
			continue
		case value[0] != '"':
			text = string(value)
		case json.Unmarshal(value, &text) != nil || text == "":
			continue
		}
		fmt.Fprintf(&b, " %s=%s", key, text)
	}
	return strings.TrimPrefix(b.String(), " "), true
}

// Shorten cuts s to so many runes, and shows that it did.
func Shorten(s string, most int) string {
	for i := range s {
		if most--; most < 0 {
			return s[:i] + "..."
		}
	}
	return s
}

// Printable replaces what would not show, or would move the cursor: the text is
// somebody else's.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '.'
		}
		return r
	}, s)
}
