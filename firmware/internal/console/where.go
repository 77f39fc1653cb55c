package console

import (
	"bytes"
	"encoding/json"
	"errors"
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
	lastDefault = 20
	lastMost    = 1000
	maxTerms    = 16
)

// query says which of many are shown: those that where fits, the newest last ones.
type query struct {
	where [][]comparison // any of these, of which all
	last  int
}

// comparison is FIELD OP VALUE.
type comparison struct {
	field string
	op    string
	value string
}

// ops are what can stand between a field and a value.
func ops() []hint {
	return []hint{{word: "eq", help: "is, as a number or as text whatever its case"}, {word: "ne", help: "is not, or is not there"},
		{word: "contains", help: "has this text in it, whatever its case"}, {word: "<", help: "is less, as a number or as text"}, {word: ">", help: "is more"}}
}

var errWhere = errors.New("want: where FIELD eq|ne|contains|<|> VALUE [and|or ...], or last N")

// parseQuery reads [where FIELD OP VALUE [and|or FIELD OP VALUE]...] [last N]. and
// binds closer than or.
func parseQuery(words []string) (q query, err error) {
	q.last = lastDefault
	for len(words) > 0 {
		switch {
		case words[0] == "last" && len(words) > 1:
			n, err := strconv.ParseUint(words[1], 10, 16)
			if err != nil || n < 1 || n > lastMost {
				return q, fmt.Errorf("last %s: want 1 to %d", words[1], lastMost)
			}
			q.last, words = int(n), words[2:]
		case words[0] == "where" && q.where == nil:
			if words, err = q.terms(words[1:]); err != nil {
				return q, err
			}
		default:
			return q, errWhere
		}
	}
	return q, nil
}

// terms reads what follows where, and returns what follows that.
func (q *query) terms(words []string) (rest []string, err error) {
	q.where = [][]comparison{nil}
	for n := 1; ; n++ {
		if len(words) < 3 || n > maxTerms || !slices.ContainsFunc(ops(), func(h hint) bool { return h.word == words[1] }) {
			return nil, errWhere
		}
		all := &q.where[len(q.where)-1]
		*all = append(*all, comparison{strings.ToLower(words[0]), words[1], words[2]})
		if words = words[3:]; len(words) == 0 {
			return nil, nil
		}
		switch words[0] {
		case "and":
		case "or":
			q.where = append(q.where, nil)
		default:
			return words, nil
		}
		words = words[1:]
	}
}

// fields gives the values that something has under a name; several are one thing in
// several forms.
type fields interface{ field(name string) []string }

func (q *query) fits(f fields) bool {
	if q.where == nil {
		return true
	}
	return slices.ContainsFunc(q.where, func(all []comparison) bool {
		return !slices.ContainsFunc(all, func(c comparison) bool { return !c.fits(f.field(c.field)) })
	})
}

func (c *comparison) fits(values []string) bool {
	fits := slices.ContainsFunc(values, func(v string) bool {
		switch c.op {
		case "eq", "ne":
			return strings.EqualFold(v, c.value) || order(v, c.value) == 0
		case "contains":
			return strings.Contains(strings.ToLower(v), strings.ToLower(c.value))
		case "<":
			return order(v, c.value) < 0
		}
		return order(v, c.value) > 0
	})
	return fits != (c.op == "ne")
}

// order compares two numbers, or else two texts.
func order(a, b string) int {
	x, err1 := strconv.ParseFloat(a, 64)
	y, err2 := strconv.ParseFloat(b, 64)
	if err1 != nil || err2 != nil {
		return strings.Compare(a, b)
	}
	switch {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}

// recordFields are those of a record: some that all have, those of SIP, and the
// members of the JSON object.
type recordFields struct {
	r      *record.Record
	object map[string]any
	parsed bool
	view   sip.View
}

// commonFields are those that every record has.
func commonFields() []string {
	return []string{"type", "id", "call", "src", "dst", "src_ip", "dst_ip", "src_port", "dst_port", "proto"}
}

func sipFields() []string {
	return []string{"method", "status", "reason", "from", "to", "cseq", "user-agent", "request"}
}

func (f *recordFields) field(name string) []string {
	r := f.r
	switch name {
	case "type":
		return []string{r.Type.String()}
	case "id":
		return []string{string(r.Primary)}
	case "call":
		return callsOf(r)
	case "src", "dst", "src_ip", "dst_ip", "src_port", "dst_port":
		return endField(name, r.Flow.Src, r.Flow.Dst)
	case "proto":
		return []string{listing.Protocol(r.Flow.Proto)}
	}
	if r.Type == record.SIP {
		return f.sip(name)
	}
	if !f.parsed {
		f.parsed = true
		d := json.NewDecoder(bytes.NewReader(r.Payload))
		d.UseNumber()
		if d.Decode(&f.object) != nil {
			f.object = nil
		}
	}
	return member(f.object, name)
}

func endField(name string, src, dst netip.AddrPort) []string {
	a := src
	if strings.HasPrefix(name, "dst") {
		a = dst
	}
	switch name[3:] {
	case "_ip":
		return []string{a.Addr().String()}
	case "_port":
		return []string{strconv.Itoa(int(a.Port()))}
	}
	return []string{a.String(), a.Addr().String()}
}

// callsOf are the Call-IDs that a record names.
func callsOf(r *record.Record) (out []string) {
	if recent.Under(r.Type) == record.SIP && len(r.Primary) > 0 {
		out = append(out, string(r.Primary))
	}
	for i := range r.Links {
		if l := &r.Links[i]; recent.Under(l.Type) == record.SIP && !slices.Contains(out, string(l.ID)) {
			out = append(out, string(l.ID))
		}
	}
	return out
}

func (f *recordFields) sip(name string) []string {
	v := &f.view
	if !f.parsed {
		f.parsed = true
		if v.Parse(f.r.Payload) != nil {
			*v = sip.View{}
		}
	}
	switch name {
	case "method":
		if v.IsRequest {
			return []string{string(v.Method)}
		}
		return []string{string(v.CSeqMethod)}
	case "status":
		if !v.IsRequest {
			return []string{strconv.Itoa(v.Status)}
		}
	case "reason":
		return []string{string(v.Reason)}
	case "from":
		return []string{string(v.From), string(sip.User(v.From))}
	case "to":
		return []string{string(v.To), string(sip.User(v.To))}
	case "cseq":
		return []string{strconv.FormatInt(v.CSeq, 10)}
	case "user-agent":
		return []string{string(v.UserAgent), string(v.Server)}
	case "request":
		return []string{string(v.RequestURI)}
	}
	return nil
}

// member finds what an object has under a name, whatever its case; dots lead into
// objects within it.
func member(object map[string]any, name string) []string {
	for key, value := range object {
		if rest, ok := strings.CutPrefix(name, strings.ToLower(key)+"."); ok {
			if inner, ok := value.(map[string]any); ok {
				if found := member(inner, rest); found != nil {
					return found
				}
			}
		}
		if strings.ToLower(key) != name {
			continue
		}
		switch v := value.(type) {
		case string:
			return []string{v}
		case json.Number:
			return []string{v.String()}
		case bool:
			return []string{strconv.FormatBool(v)}
		case []any:
			var out []string
			for _, e := range v {
				out = append(out, fmt.Sprint(e))
			}
			return out
		}
	}
	return nil
}

// queryHints says what can come next in a query over records, or calls, with such fields.
func queryHints(typed []string, fields func() []string) []hint {
	return termHints(typed, fields, []hint{{word: "FIELD", help: "a member of the records' JSON; dots lead into members of it", free: true}},
		[]hint{{word: "last", help: fmt.Sprintf("how many of the newest, 1 to %d; default: %d", lastMost, lastDefault)}})
}

// whereHints is the same where there is where alone, and no other field.
func whereHints(typed []string, fields func() []string) []hint {
	return termHints(typed, fields, nil, nil)
}

// termHints says what can come next. others stand for fields that are not listed, and last for
// what can be asked for beside where.
func termHints(typed []string, fields func() []string, others, last []hint) []hint {
	begin := append([]hint{{word: "where", help: "only those that fit: where FIELD eq|ne|contains|<|> VALUE, with and, or"}}, last...)
	for {
		switch {
		case len(typed) == 0:
			return begin
		case typed[0] == "last" && last == nil:
			return nil
		case typed[0] == "last" && len(typed) == 1:
			return []hint{{word: "N", help: fmt.Sprintf("1 to %d", lastMost), free: true}}
		case typed[0] == "last":
			typed = typed[2:]
		case typed[0] == "where", typed[0] == "and", typed[0] == "or":
			switch len(typed) {
			case 1:
				var out []hint
				for _, name := range fields() {
					out = append(out, hint{word: name})
				}
				return append(out, others...)
			case 2:
				return ops()
			case 3:
				return []hint{{word: "VALUE", help: "in double quotes if there are blanks in it", free: true}}
			}
			typed = typed[4:]
			begin = append([]hint{{word: "and", help: "and this, too"}, {word: "or", help: "or this"}}, last...)
		default:
			return nil
		}
	}
}
