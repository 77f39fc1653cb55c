package dns

import (
	"strconv"

	"heptap/capture/jsonout"
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
	o := object{jsonout.Object{B: append(dst, '{')}}
	o.Uint("id", uint64(v.ID))
	o.Bool("qr", v.Response)
	o.Word("opcode", opcodeName(v.Opcode))
	o.Bool("aa", v.Authoritative)
	o.Bool("tc", v.Truncated)
	o.Bool("rd", v.RecursionDesired)
	o.Bool("ra", v.RecursionAvailable)
	o.Uint("z", uint64(v.Z))
	o.Word("rcode", RCodeName(v.RCode))
	if v.Questions > 0 {
		o.Open("questions", '[')
		o.Element()
		o.name("name", v.Question.Name)
		o.kind(v.Question.Type, v.Question.Class)
		o.B = append(o.B, "}]"...)
	}
	if number, ok := v.ENUM(); ok {
		o.Word("enum", number)
	}
	cut := v.Cut
	if v.Answers > 0 {
		o.Open("answers", '[')
		w := v.Walk()
		for a := (Answer{}); w.Next(&a); {
			if cut = cut || len(o.B)-len(dst) > MaxJSON; len(o.B)-len(dst) > MaxJSON {
				break
			}
			if a.Type != OPT {
				o.Element()
				o.answer(&a)
				o.B = append(o.B, '}')
			}
		}
		o.B = append(o.B, ']')
	}
	if cut {
		o.Bool("cut", true)
	}
	return append(o.B, '}')
}

// answer writes the members of one answer.
func (o *object) answer(a *Answer) {
	o.name("name", a.Name)
	o.kind(a.Type, a.Class)
	o.Uint("ttl", uint64(a.TTL))
	if a.Broken || a.Class&^classTop != ClassIN {
		return
	}
	switch a.Type {
	case A, AAAA:
		o.Key("ip")
		o.B = append(o.B, '"')
		o.B = a.Addr.AppendTo(o.B)
		o.B = append(o.B, '"')
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
		o.Open("mx", '{')
		o.Uint("preference", uint64(a.Priority))
		o.name("exchange", a.Target)
		o.B = append(o.B, '}')
	case SRV:
		o.Open("srv", '{')
		o.Uint("priority", uint64(a.Priority))
		o.Uint("weight", uint64(a.Weight))
		o.Uint("port", uint64(a.Port))
		o.name("target", a.Target)
		o.B = append(o.B, '}')
	case NAPTR:
		o.Open("naptr", '{')
		o.Uint("order", uint64(a.Order))
		o.Uint("preference", uint64(a.Preference))
		o.Text("flags", a.Flags)
		o.Text("service", a.Service)
		o.Text("regexp", a.Regexp)
		o.name("replacement", a.Target)
		o.B = append(o.B, '}')
	}
}

// object is one that members are appended to.
type object struct{ jsonout.Object }

// kind writes a type and a class.
func (o *object) kind(t Type, c Class) {
	if s := t.name(); s != "" {
		o.Word("type", s)
	} else {
		o.numbered("type", "TYPE", uint16(t))
	}
	if s := c.name(); s != "" {
		o.Word("class", s)
	} else {
		o.numbered("class", "CLASS", uint16(c))
	}
}

func (o *object) numbered(name, prefix string, n uint16) {
	o.Key(name)
	o.B = append(o.B, '"')
	o.B = append(o.B, prefix...)
	o.B = strconv.AppendUint(o.B, uint64(n), 10)
	o.B = append(o.B, '"')
}

func (o *object) name(name string, n Name) {
	o.Key(name)
	var buf [4 * maxName]byte
	o.B = jsonout.AppendQuoted(o.B, n.Append(buf[:0]), 0)
}

// txt writes the strings of a TXT record as one.
func (o *object) txt(a *Answer) {
	o.Key("txt")
	o.B = append(o.B, '"')
	left := maxText
	a.Text(func(s []byte) bool {
		s = s[:min(len(s), left)]
		left -= len(s)
		o.B = jsonout.AppendEscaped(o.B, s, 0)
		return left > 0
	})
	o.B = append(o.B, '"')
}
