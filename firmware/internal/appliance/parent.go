package appliance

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
)

// PID 1 and the probe talk over a pair of sockets, in lines of at most maxLine
// octets. Texts that may be anything are quoted as Go quotes strings.
//
//	probe to PID 1   WORDS         a sign of life, and how the probe is; behind tabs the
//	                              troubles it has that may be the fault of its system
//	                 ?VERB "TEXT"  a request, one at a time
//	PID 1 to probe   =ok           the answer,
//	                 =error "WHY"  or this one
//	                 !KIND "TEXT"  news; all of it again when a probe starts
const (
	isRequest = "?"
	isAnswer  = "="
	isNews    = "!"
	answerOK  = "ok"
)

// VerbSettings asks for what Settings returns to hold.
const VerbSettings = "settings"

// Kinds of news.
const (
	NewsTimeServers = "time-servers" // addresses by DHCP with blanks between them; not sent before it is known whether there are any
	NewsLastReset   = "last-reset"   // see LastReset
)

// Parent is PID 1, as a probe reaches it that was started by it. Methods may be
// called from any goroutine.
type Parent struct {
	conn    io.ReadWriter
	news    func(kind, text string)
	answers chan string   // one without a question is dropped
	gone    chan struct{} // closed when PID 1 says nothing any more

	asking  sync.Mutex // held from a question to its answer
	writing sync.Mutex
}

// NewParent returns PID 1 at the other end of conn. Run must be called; it
// calls news with what PID 1 tells.
func NewParent(conn io.ReadWriter, news func(kind, text string)) *Parent {
	return &Parent{conn: conn, news: news, answers: make(chan string, 1), gone: make(chan struct{})}
}

// Run takes in what PID 1 says, until the connection ends.
func (p *Parent) Run() {
	defer close(p.gone)
	s := bufio.NewScanner(p.conn)
	s.Buffer(nil, maxLine)
	for s.Scan() {
		l := s.Text()
		if answer, ok := strings.CutPrefix(l, isAnswer); ok {
			select {
			case p.answers <- answer:
			default:
			}
			continue
		}
		if l, ok := strings.CutPrefix(l, isNews); ok {
			if kind, text, err := splitQuoted(l); err == nil {
				p.news(kind, text)
			}
		}
	}
}

// Alive gives a sign of life, with the names of what does not work.
func (p *Parent) Alive(words string, troubles ...string) error {
	return p.write(strings.Join(append([]string{words}, troubles...), "\t"))
}

// splitSign takes a sign of life apart.
func splitSign(l string) (words string, troubles []string) {
	words, more, some := strings.Cut(l, "\t")
	if some {
		troubles = strings.Split(more, "\t")
	}
	return words, troubles
}

func (p *Parent) write(l string) error {
	if len(l) >= maxLine || strings.ContainsAny(l, "\r\n") {
		return fmt.Errorf("no line for PID 1: %.40q", l)
	}
	p.writing.Lock()
	defer p.writing.Unlock()
	_, err := io.WriteString(p.conn, l+"\n")
	return err
}

var errNobody = errors.New("PID 1 does not answer")

// Ask has PID 1 do something, and returns when it has, with the error that it
// tells.
func (p *Parent) Ask(ctx context.Context, verb, text string) error {
	p.asking.Lock()
	defer p.asking.Unlock()
	select {
	case <-p.answers: // of a question that was given up
	default:
	}
	if err := p.write(isRequest + verb + " " + strconv.Quote(text)); err != nil {
		return err
	}
	select {
	case a := <-p.answers:
		if a == answerOK {
			return nil
		}
		if _, why, err := splitQuoted(a); err == nil {
			return errors.New(why)
		}
		return fmt.Errorf("%w so that it can be understood: %.40q", errNobody, a)
	case <-p.gone:
		return errNobody
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", errNobody, ctx.Err())
	}
}

// splitQuoted takes a word and a quoted text apart.
func splitQuoted(l string) (word, text string, err error) {
	word, quoted, _ := strings.Cut(l, " ")
	text, err = strconv.Unquote(quoted)
	return word, text, err
}

// teller is PID 1's side of telling news.
type teller struct {
	mu    sync.Mutex
	kinds []string // in the order in which they came
	texts map[string]string
	to    io.Writer // nil: there is no probe
}

// tell tells news, to the probe there is and to those to come.
func (t *teller) tell(kind, text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.texts == nil {
		t.texts = map[string]string{}
	}
	old, known := t.texts[kind]
	if known && old == text {
		return
	}
	if !known {
		t.kinds = append(t.kinds, kind)
	}
	t.texts[kind] = text
	t.write(isNews + kind + " " + strconv.Quote(text))
}

// attach has a probe be told, nil: none. It is told all news there is.
func (t *teller) attach(w io.Writer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.to = w
	for _, kind := range t.kinds {
		t.write(isNews + kind + " " + strconv.Quote(t.texts[kind]))
	}
}

// answer answers the probe.
func (t *teller) answer(err error) {
	text := answerOK
	if err != nil {
		text = "error " + strconv.Quote(err.Error())
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.write(isAnswer + text)
}

// write writes a line. A probe that is gone, or takes nothing in, hears of it
// when it is started again.
func (t *teller) write(l string) {
	if t.to != nil && len(l) < maxLine {
		_, _ = io.WriteString(t.to, l+"\n")
	}
}
