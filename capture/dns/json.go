package dns

import (
	"strconv"
	"unicode/utf8"
)

// MaxJSON is about how many octets AppendJSON appends at most: no answer is
// begun beyond it.
const MaxJSON = 48 << 10

// maxText is the most octets of a TXT record in JSON.
const maxText = 1024

// AppendJSON appends the message to dst as one JSON object, in the shape that
// heplify uses for HEP type 53:
//
//	{"id","qr","opcode","aa","tc","rd","ra","z","rcode",
//	 "questions":[{"name","type","class"}],
//	 "answers":[{"name","type","class","ttl", "ip"|"ns"|"cname"|"ptr"|"txt"}]}
//
// and more members: "enum" with the question's number; of answers "dname",
// "mx":{"preference","exchange"}, "srv":{"priority","weight","port","target"}
// and "naptr":{"order","preference","flags","service","regexp","replacement"};
// "cut":true when answers are missing. "questions" has the first one alone.
// OPT is left out. Text that is not UTF-8, and NUL, become U+FFFD.
func (v *View) AppendJSON(dst []byte) []byte {
	o := object{dst: append(dst, '{')}
	o.uint("id", uint64(v.ID))
	o.bool("qr", v.Response)
	o.text("opcode", opcodeName(v.Opcode))
	o.bool("aa", v.Authoritative)
	o.bool("tc", v.Truncated)
	o.bool("rd", v.RecursionDesired)
	o.bool("ra", v.RecursionAvailable)
	o.uint("z", uint64(v.Z))
	o.text("rcode", RCodeName(v.RCode))
	if v.Questions > 0 {
		o.open("questions", '[')
		o.element()
		o.name("name", v.Question.Name)
		o.kind(v.Question.Type, v.Question.Class)
		o.dst = append(o.dst, "}]"...)
	}
	if number, ok := v.ENUM(); ok {
		o.text("enum", number)
	}
	cut := v.Cut
	if v.Answers > 0 {
		o.open("answers", '[')
		w := v.Walk()
		for a := (Answer{}); w.Next(&a); {
			if cut = cut || len(o.dst)-len(dst) > MaxJSON; len(o.dst)-len(dst) > MaxJSON {
				break
			}
			if a.Type != OPT {
				o.element()
				o.answer(&a)
				o.dst = append(o.dst, '}')
			}
		}
		o.dst = append(o.dst, ']')
	}
	if cut {
		o.bool("cut", true)
	}
	return append(o.dst, '}')
}

// answer writes the members of one answer.
func (o *object) answer(a *Answer) {
	o.name("name", a.Name)
	o.kind(a.Type, a.Class)
	o.uint("ttl", uint64(a.TTL))
	if a.Broken || a.Class&^classTop != ClassIN {
		return
	}
	switch a.Type {
	case A, AAAA:
		o.key("ip")
		o.dst = append(o.dst, '"')
		o.dst = a.Addr.AppendTo(o.dst)
		o.dst = append(o.dst, '"')
	case NS:
		o.name("ns", a.Target)
	case CNAME:
		o.name("cname", a.Target)
	case DNAME:
		o.name("dname", a.Target)
	case PTR:
		o.name("ptr", a.Target)
	case TXT:
		o.txt(a)
	case MX:
		o.open("mx", '{')
		o.uint("preference", uint64(a.Priority))
		o.name("exchange", a.Target)
		o.dst = append(o.dst, '}')
	case SRV:
		o.open("srv", '{')
		o.uint("priority", uint64(a.Priority))
		o.uint("weight", uint64(a.Weight))
		o.uint("port", uint64(a.Port))
		o.name("target", a.Target)
		o.dst = append(o.dst, '}')
	case NAPTR:
		o.open("naptr", '{')
		o.uint("order", uint64(a.Order))
		o.uint("preference", uint64(a.Preference))
		o.octets("flags", a.Flags)
		o.octets("service", a.Service)
		o.octets("regexp", a.Regexp)
		o.name("replacement", a.Target)
		o.dst = append(o.dst, '}')
	}
}

// object appends members to dst.
type object struct{ dst []byte }

// key appends a member's name. It separates what stands before by its last
// octet, so it works for nested objects too.
func (o *object) key(name string) {
	o.comma()
	o.dst = append(o.dst, '"')
	o.dst = append(o.dst, name...)
	o.dst = append(o.dst, '"', ':')
}

func (o *object) comma() {
	if c := o.dst[len(o.dst)-1]; c != '{' && c != '[' {
		o.dst = append(o.dst, ',')
	}
}

func (o *object) open(name string, bracket byte) {
	o.key(name)
	o.dst = append(o.dst, bracket)
}

func (o *object) element() {
	o.comma()
	o.dst = append(o.dst, '{')
}

func (o *object) uint(name string, n uint64) {
	o.key(name)
	o.dst = strconv.AppendUint(o.dst, n, 10)
}

func (o *object) bool(name string, b bool) {
	o.key(name)
	o.dst = strconv.AppendBool(o.dst, b)
}

// text writes a string of ours, which needs no escaping.
func (o *object) text(name, s string) {
	o.key(name)
	o.dst = append(o.dst, '"')
	o.dst = append(o.dst, s...)
	o.dst = append(o.dst, '"')
}

// kind writes a type and a class.
func (o *object) kind(t Type, c Class) {
	if s := t.name(); s != "" {
		o.text("type", s)
	} else {
		o.numbered("type", "TYPE", uint16(t))
	}
	if s := c.name(); s != "" {
		o.text("class", s)
	} else {
		o.numbered("class", "CLASS", uint16(c))
	}
}

func (o *object) numbered(name, prefix string, n uint16) {
	o.key(name)
	o.dst = append(o.dst, '"')
	o.dst = append(o.dst, prefix...)
	o.dst = strconv.AppendUint(o.dst, uint64(n), 10)
	o.dst = append(o.dst, '"')
}

func (o *object) name(name string, n Name) {
	o.key(name)
	var buf [4 * maxName]byte
	o.quote(n.Append(buf[:0]))
}

func (o *object) octets(name string, s []byte) {
	o.key(name)
	o.quote(s)
}

// txt writes the strings of a TXT record as one.
func (o *object) txt(a *Answer) {
	o.key("txt")
	o.dst = append(o.dst, '"')
	left := maxText
	a.Text(func(s []byte) bool {
		s = s[:min(len(s), left)]
		left -= len(s)
		o.escape(s)
		return left > 0
	})
	o.dst = append(o.dst, '"')
}

func (o *object) quote(s []byte) {
	o.dst = append(o.dst, '"')
	o.escape(s)
	o.dst = append(o.dst, '"')
}

func (o *object) escape(s []byte) {
	const hex = "0123456789abcdef"
	b := o.dst
	for len(s) > 0 {
		r, n := utf8.DecodeRune(s)
		switch {
		case r == 0 || r == utf8.RuneError && n == 1:
			b = append(b, "\uFFFD"...)
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r < 0x20 || r == 0x7f:
			b = append(b, '\\', 'u', '0', '0', hex[r>>4], hex[r&15])
		default:
			b = append(b, s[:n]...)
		}
		s = s[n:]
	}
	o.dst = b
}
