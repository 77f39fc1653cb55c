package console

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"heptap/capture/record"
	"heptap/capture/sip"
	"heptap/firmware/internal/listing"
	"heptap/firmware/internal/recent"
)

const (
	maxFollowed = 500 // records in one answer
	leastPitch  = 14  // columns between two hosts
	leftMargin  = 20  // for number and time
	leastRemark = 30  // columns
	leastLadder = 60  // columns: a narrower terminal breaks the lines
	batchWidth  = 120
	followDepth = 3
)

func followCommands() []command {
	return []command{
		{path: words("show call"), args: "ID", help: "a call as a ladder: its messages, and what is linked with it", hints: callHints, run: (*session).showCall},
		{path: words("follow"), args: "ID [N]", help: fmt.Sprintf("all that is linked with a call, a connection, a query ..., over N ids; default: %d", followDepth),
			hints: func(s *session, typed []string) []hint {
				if len(typed) == 1 {
					return []hint{{word: "N", help: "0 to 9", free: true}}
				}
				return callHints(s, typed)
			}, run: (*session).follow},
	}
}

// callHints are the ids of the newest calls.
func callHints(s *session, typed []string) (out []hint) {
	if len(typed) > 0 {
		return nil
	}
	if t, err := s.calls(); err == nil {
		for _, id := range t.order[max(0, len(t.order)-lastDefault):] {
			if c := t.byID[id]; !strings.ContainsAny(id, " \"\\#") && printable(id) == id {
				out = append(out, hint{word: id, help: fmt.Sprintf("%s, from %s to %s, %s", clock(c.begun), printable(c.from), printable(c.to), c.state)})
			}
		}
	}
	return append(out, hint{word: "ID", help: "a Call-ID, in double quotes if there are blanks in it", free: true})
}

// linked are the records around an id.
func (s *session) linked(t record.Type, id string, depth int) (recent.Answer, error) {
	l, err := s.live()
	if err != nil {
		return recent.Answer{}, err
	}
	if l.Recent == nil {
		return recent.Answer{}, errNoRecent
	}
	a := l.Recent.Follow(t, []byte(id), recent.Limits{Depth: depth, Records: maxFollowed})
	if len(a.Found) == 0 {
		return a, fmt.Errorf("no recent record names %q", id)
	}
	return a, nil
}

func (s *session) follow(words []string) (string, error) {
	depth := followDepth
	switch {
	case len(words) == 2 && len(words[1]) == 1 && words[1][0] >= '0' && words[1][0] <= '9':
		depth = int(words[1][0] - '0')
	case len(words) != 1:
		return "", errUsage
	}
	a, err := s.linked(0, words[0], depth)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for i := range a.Found {
		f := &a.Found[i]
		how := listing.Trust(f.Path)
		if f.Depth > 0 {
			how += fmt.Sprintf(" via %v %s", f.Via.Type, listing.Printable(listing.Shorten(f.Via.Text, 24)))
		}
		line := fmt.Sprintf("%d %s %v %s > %s [%s] %s", f.Seq, clock(f.Wall), f.Type, listing.End(f.Flow.Src), listing.End(f.Flow.Dst), how, listing.Printable(listing.Gist(&f.Record)))
		b.WriteString(s.cut(line) + "\n")
	}
	fmt.Fprintf(&b, "%d records\n", len(a.Found))
	b.WriteString(leftOut(&a))
	return b.String(), nil
}

// leftOut says what is not part of an answer.
func leftOut(a *recent.Answer) string {
	var b strings.Builder
	for i, h := range a.Hubs {
		if i == 5 {
			fmt.Fprintf(&b, "nor %d other ids\n", len(a.Hubs)-i)
			break
		}
		fmt.Fprintf(&b, "too much comes together in %v %s, it was not followed; follow begins there\n", h.Type, listing.Printable(h.Text))
	}
	if a.Cut {
		fmt.Fprintf(&b, "there is more than %d records; the farthest are left out\n", maxFollowed)
	}
	return b.String()
}

func (s *session) showCall(words []string) (string, error) {
	if len(words) != 1 {
		return "", errUsage
	}
	a, err := s.linked(record.SIP, words[0], 1)
	if err != nil {
		return "", err
	}
	t, err := s.calls()
	if err != nil {
		return "", err
	}
	width := s.t.width
	if s.t.batch {
		width = batchWidth
	}
	return drawLadder(&a, words[0], t.byID, width), nil
}

// step is a row of a ladder.
type step struct {
	f     *recent.Found
	label string
	line  byte // what an arrow is made of; 0: a remark at where it is from
}

// ladder is a call being drawn: hosts as columns, records as arrows between them.
type ladder struct {
	ports   bool     // hosts are told apart by their ports, because all have one address
	hosts   []string // with a column, from the left
	pitch   int
	width   int
	legs    []string // Call-IDs, the one that was asked for first
	undrawn map[record.Type]int
}

func drawLadder(a *recent.Answer, id string, known map[string]*call, width int) string {
	l := &ladder{width: max(width-1, leastLadder), legs: []string{id}, undrawn: map[record.Type]int{}}
	addresses := map[netip.Addr]bool{}
	for i := range a.Found {
		f := &a.Found[i]
		if f.Type == record.SIP {
			addresses[f.Flow.Src.Addr()], addresses[f.Flow.Dst.Addr()] = true, true
			if leg := string(f.Primary); !slices.Contains(l.legs, leg) {
				l.legs = append(l.legs, leg)
			}
		}
	}
	l.ports = len(addresses) == 1
	var steps []step
	for i := range a.Found {
		if st := l.step(&a.Found[i]); st.label != "" {
			steps = append(steps, st)
		} else {
			l.undrawn[a.Found[i].Type]++
		}
	}
	l.place(steps)
	var b strings.Builder
	for i, leg := range l.legs {
		name := "call"
		if len(l.legs) > 1 {
			name = "leg " + legName(i)
		}
		fmt.Fprintf(&b, "%s %s", name, listing.Printable(leg))
		if c := known[leg]; c != nil {
			fmt.Fprintf(&b, ", from %s to %s, %s", listing.Printable(c.from), listing.Printable(c.to), c.outcome())
			if c.answered > 0 {
				fmt.Fprintf(&b, ", %.1f s", c.duration().Seconds())
			}
		}
		b.WriteString("\n")
	}
	b.WriteString(l.head())
	for i := range steps {
		b.WriteString(l.row(&steps[i]))
	}
	var left []string
	for _, t := range []record.Type{record.RTCP, record.RTPReport, record.Control, record.Log, record.Net, record.REST, record.MI, record.DNS, record.ISUP} {
		if n := l.undrawn[t]; n > 0 {
			left = append(left, fmt.Sprintf("%d %v", n, t))
		}
	}
	if len(left) > 0 {
		fmt.Fprintf(&b, "not drawn: %s; follow lists them\n", strings.Join(left, ", "))
	}
	b.WriteString(leftOut(a))
	return b.String()
}

func legName(i int) string {
	if i < 26 {
		return string(rune('A' + i))
	}
	return strconv.Itoa(i + 1)
}

// host is the column that an end belongs to.
func (l *ladder) host(a netip.AddrPort) string {
	if l.ports {
		return a.String()
	}
	return a.Addr().String()
}

// step says how a record is drawn; without a label it is not.
func (l *ladder) step(f *recent.Found) step {
	st := step{f: f, line: '.'}
	switch f.Type {
	case record.SIP:
		st.line = '-'
		st.label = sipLabel(f.Payload)
		if i := slices.Index(l.legs, string(f.Primary)); len(l.legs) > 1 && i >= 0 {
			st.label = legName(i) + ": " + st.label
		}
	case record.RTCP, record.Control:
		return st
	case record.RTPReport:
		st.line, st.label = '~', rtpLabel(f.Payload)
	default:
		var o struct {
			Event, Text, Command, Program string
			Status                        int
			Latency                       json.Number `json:"latency_ms"`
		}
		_ = json.Unmarshal(f.Payload, &o)
		switch st.label = cmp.Or(o.Event, listing.Gist(&f.Record)); {
		case f.Type == record.Net:
			st.line = '='
		case f.Type == record.REST && o.Status > 0: // the query is above it
			st.label = strings.TrimSuffix(fmt.Sprintf("%d, %s ms", o.Status, o.Latency), ",  ms")
		case f.Type == record.Log && o.Command == "":
			st.line = 0
			if o.Text != "" {
				st.label = strings.TrimPrefix(o.Program+": "+o.Text, ": ")
			}
		}
	}
	if f.Path.How == record.Inferred && st.label != "" {
		st.label += fmt.Sprintf(" ?%d", f.Path.Score)
	}
	st.label = listing.Printable(st.label)
	return st
}

func sipLabel(payload []byte) string {
	var v sip.View
	if v.Parse(payload) != nil {
		return "SIP"
	}
	label := string(v.Method)
	if !v.IsRequest {
		label = fmt.Sprintf("%03d %s", v.Status, v.Reason)
	}
	if strings.Contains(strings.ToLower(string(v.ContentType)), "sdp") {
		label += " +SDP"
	}
	return label
}

// rtpLabel is for the last report of a stream; those before it say less.
func rtpLabel(payload []byte) string {
	var o struct {
		Type  string      `json:"TYPE"`
		Codec string      `json:"CODEC_NAME"`
		MOS   json.Number `json:"MEAN_MOS"`
		Loss  json.Number `json:"PACKET_LOSS_PERCENT"`
	}
	if json.Unmarshal(payload, &o) != nil || !strings.EqualFold(o.Type, "FINAL") {
		return ""
	}
	label := fmt.Sprintf("RTP %s MOS %s", o.Codec, cmp.Or(o.MOS, "-"))
	if lost, err := o.Loss.Float64(); err == nil && lost > 0 {
		label += fmt.Sprintf(" loss %s%%", o.Loss)
	}
	return label
}

// place chooses the hosts that get a column: those of SIP first, then those with the
// most records. Those of SIP stand left, all in the order in which they come.
func (l *ladder) place(steps []step) {
	weight := map[string]int{}
	var order []string
	for i := range steps {
		st := &steps[i]
		n := 1
		if st.f.Type == record.SIP {
			n = 1000
		}
		ends := []string{l.host(st.f.Flow.Src), l.host(st.f.Flow.Dst)}
		if st.line == 0 {
			ends = ends[:1]
			n = 0
		}
		for _, h := range ends {
			if n > 0 && weight[h] == 0 {
				order = append(order, h)
			}
			weight[h] += n
		}
	}
	most := max((l.width-leftMargin)/leastPitch, 2)
	for len(order) > most {
		least := 0
		for i, h := range order {
			if weight[h] <= weight[order[least]] {
				least = i
			}
		}
		order = slices.Delete(order, least, least+1)
	}
	slices.SortStableFunc(order, func(a, b string) int { return cmp.Compare(min(weight[b]/1000, 1), min(weight[a]/1000, 1)) })
	l.hosts = order
	l.pitch = min((l.width-leftMargin)/max(len(order), 1), 40)
}

// at is where a host's line is, -1 if it has none.
func (l *ladder) at(a netip.AddrPort) int {
	i := slices.Index(l.hosts, l.host(a))
	if i < 0 {
		return -1
	}
	return leftMargin + i*l.pitch + l.pitch/2
}

// head names the hosts; those that do not fit are told in full before.
func (l *ladder) head() string {
	var b strings.Builder
	line := blank(l.width)
	for i, h := range l.hosts {
		name := h
		if len(name) > l.pitch-1 {
			name = fmt.Sprintf("(%d)", i+1)
			fmt.Fprintf(&b, "%s %s\n", name, h)
		}
		put(line, leftMargin+i*l.pitch+(l.pitch-len(name))/2, name)
	}
	b.WriteString(strings.TrimRight(string(line), " ") + "\n")
	return b.String()
}

func blank(n int) []rune { return []rune(strings.Repeat(" ", n)) }

// put writes text into a line, as much of it as fits.
func put(line []rune, at int, text string) {
	for _, r := range text {
		if at >= 0 && at < len(line) {
			line[at] = r
		}
		at++
	}
}

func (l *ladder) row(st *step) string {
	line := blank(l.width)
	put(line, 0, fmt.Sprintf("%6d %s", st.f.Seq, clock(st.f.Wall)))
	for i := range l.hosts {
		put(line, leftMargin+i*l.pitch+l.pitch/2, "|")
	}
	from, to := l.at(st.f.Flow.Src), l.at(st.f.Flow.Dst)
	switch {
	case st.line == 0 || from < 0 || to < 0 || from == to:
		l.remark(line, st, from, to)
	case from < to:
		put(line, from+1, strings.Repeat(string(st.line), to-from-2)+">")
		onArrow(line, from, to, st.label)
	default:
		put(line, to+1, "<"+strings.Repeat(string(st.line), from-to-2))
		onArrow(line, to+1, from+1, st.label)
	}
	return strings.TrimRight(string(line), " ") + "\n"
}

// onArrow writes a label into the middle of an arrow's shaft, which begins behind left
// and ends before right, where the head of one to the right stands.
func onArrow(line []rune, left, right int, label string) {
	label = " " + column(label, right-left-6) + " "
	put(line, left+(right-left-len([]rune(label)))/2, label)
}

// remark writes a label beside the line of where it is from, or that of the other
// end if only that is drawn.
func (l *ladder) remark(line []rune, st *step, from, to int) {
	at, label := from, st.label
	if st.line != 0 {
		switch {
		case from < 0 && to < 0:
			label = l.host(st.f.Flow.Src) + " > " + l.host(st.f.Flow.Dst) + ": " + label
		case from < 0:
			at, label = to, "< "+l.host(st.f.Flow.Src)+": "+label
		case to < 0:
			label = "> " + l.host(st.f.Flow.Dst) + ": " + label
		}
	}
	if at < 0 {
		at = leftMargin - 2
	}
	room := max(len(line)-at-3, 0)
	text := " * " + label
	if n := len([]rune(text)); n > room && room < leastRemark { // there is more room further left
		at = max(len(line)-min(n, leastRemark)-1, leftMargin-2)
	}
	put(line, at+1, column(text, max(len(line)-at-1, 4)))
}
