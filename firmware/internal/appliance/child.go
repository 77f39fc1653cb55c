package appliance

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"heptap/firmware/internal/durable"
)

// Child is a probe that was started.
type Child struct {
	PID    int
	Out    io.Reader // what it prints; ends after it has
	Alive  io.Reader // signs of life, each a line that says how it is, and requests (see Parent); ends after it has
	Tell   io.Writer // news, and answers
	Signal func(os.Signal) error
	Wait   func() (status string, err error) // status is empty if it ended well
}

const (
	restartFirst = time.Second // pause before a start after a failure, doubled up to
	restartMost  = time.Minute
	restartReset = 5 * time.Minute // of a probe that ran so long, failures before are forgotten

	startAtMost = 3 * time.Minute  // until the first sign of life: a large spool is verified
	aliveAtMost = 30 * time.Second // between signs of life
	stopAtMost  = 30 * time.Second // from SIGTERM to the end: it tries to send what it holds

	lastWordLines = 1000 // a probe that is stuck says what each goroutine does
	lastWordFiles = 20
	maxLine       = 4096
)

// supervisor keeps one probe running. One that fails is started again, after a
// pause that grows; what it said last is kept on the data partition. One that ends
// well, unasked, was told by the button to shut the box down.
type supervisor struct {
	start func() (*Child, error)
	out   io.Writer // where the probe's lines go
	words string    // directory of last words
	log   *slog.Logger
	vouch func(what string, d time.Duration)
	state func(text string) // for the status
	now   func() time.Time
	news  *teller
	do    func(verb, text string) error // what the probe asks for
	lives func(pid int)                 // called at the first sign of life of each
	alive func(troubles []string)       // called at every one
	ended func(status string)           // called when one has ended badly

	mu    sync.Mutex
	child *Child // nil: none runs
}

// run returns when ctx is done and the probe has ended (false), or when the
// probe asked for a shutdown (true).
func (s *supervisor) run(ctx context.Context) (shutdown bool) {
	pause := restartFirst
	for {
		began := time.Now()
		status, err := s.once(ctx)
		switch {
		case ctx.Err() != nil:
			return false
		case err == nil && status == "":
			return true
		case err != nil:
			status = err.Error()
		}
		if time.Since(began) >= restartReset {
			pause = restartFirst
		}
		s.log.Error("the probe ended and is started again", "status", status, "in", pause.String())
		s.state("failed (" + status + "), is started again")
		s.vouch("restart of the probe", pause+startAtMost)
		select {
		case <-ctx.Done():
			return false
		case <-time.After(pause):
		}
		pause = min(2*pause, restartMost)
	}
}

// once runs a probe to its end.
func (s *supervisor) once(ctx context.Context) (status string, err error) {
	s.vouch("start of the probe", startAtMost)
	c, err := s.start()
	if err != nil {
		return "", err
	}
	s.state("starting")
	s.runs(c)
	s.news.attach(c.Tell)
	defer s.runs(nil)
	defer s.news.attach(nil)
	tail := &lastWords{}
	var pumps sync.WaitGroup
	pumps.Go(func() { s.copyLines(c.Out, tail) })
	pumps.Go(func() { s.signsOfLife(c) })
	ended := make(chan struct{})
	go func() {
		status, err = c.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-ctx.Done():
		s.stop(c, ended)
	}
	pumps.Wait()
	if ctx.Err() == nil && (err != nil || status != "") {
		s.keep(tail, status)
		s.ended(status)
	}
	return status, err
}

// stop ends the probe, in order if it can.
func (s *supervisor) stop(c *Child, ended <-chan struct{}) {
	s.state("stopping")
	s.vouch("end of the probe", stopAtMost+time.Minute)
	if err := c.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		s.log.Error("probe", "err", err)
	}
	select {
	case <-ended:
		return
	case <-time.After(stopAtMost):
	}
	s.log.Error("the probe does not end and is killed", "after", stopAtMost.String())
	if err := c.Signal(syscall.SIGKILL); err != nil && !errors.Is(err, os.ErrProcessDone) {
		s.log.Error("probe", "err", err)
	}
	<-ended
}

// copyLines hands on what the probe prints, line by line.
func (s *supervisor) copyLines(r io.Reader, tail *lastWords) {
	b := bufio.NewReaderSize(r, maxLine)
	for {
		l, err := b.ReadSlice('\n')
		if len(l) > 0 {
			if l[len(l)-1] != '\n' {
				l = append(bytes.Clone(l), '\n')
			}
			_, _ = s.out.Write(l)
			tail.add(string(l))
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
	}
}

// signsOfLife vouches for the box with each line.
func (s *supervisor) signsOfLife(c *Child) {
	b := bufio.NewReaderSize(c.Alive, maxLine)
	first := true
	for {
		l, err := b.ReadSlice('\n')
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
		if request, ok := strings.CutPrefix(strings.TrimSpace(string(l)), isRequest); ok {
			s.news.answer(s.obey(request))
			continue
		}
		if first {
			first = false
			s.lives(c.PID)
		}
		words, troubles := splitSign(strings.TrimSpace(string(l)))
		s.state(words)
		s.alive(troubles)
		s.vouch("sign of life of the probe", aliveAtMost)
	}
}

// obey does what the probe asks for.
func (s *supervisor) obey(request string) error {
	verb, text, err := splitQuoted(request)
	if err != nil {
		return fmt.Errorf("not understood: %.40q", request)
	}
	return s.do(verb, text)
}

func (s *supervisor) runs(c *Child) {
	s.mu.Lock()
	s.child = c
	s.mu.Unlock()
}

// dump has the probe say what it is doing, and end.
func (s *supervisor) dump() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.child == nil {
		return nil
	}
	return s.child.Signal(syscall.SIGQUIT)
}

// keep writes the last words to a file of their own, and removes the oldest ones.
func (s *supervisor) keep(tail *lastWords, status string) {
	text := fmt.Sprintf("ended: %s\n%s", status, strings.Join(tail.lines, ""))
	name := filepath.Join(s.words, s.now().UTC().Format("20060102-150405.000")+".txt")
	if err := durable.Write(name, []byte(text), 0o640); err != nil {
		s.log.Warn("the probe's last words are not kept", "err", err)
	}
	prune(s.words, s.log)
}

// prune removes the oldest of the last words in a directory.
func prune(dir string, log *slog.Logger) {
	names, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil {
		return
	}
	slices.Sort(names)
	for _, old := range names[:max(0, len(names)-lastWordFiles)] {
		if err := os.Remove(old); err != nil {
			log.Warn("old last words", "err", err)
		}
	}
}

// lastWords are the newest lines.
type lastWords struct{ lines []string }

func (w *lastWords) add(l string) {
	if len(w.lines) == lastWordLines {
		w.lines = w.lines[1:]
	}
	w.lines = append(w.lines, l)
}

// Start starts this program again, confined, with those arguments and "-alive" behind
// them. It is what a supervisor starts.
func Start(args ...string) (*Child, error) {
	out, outW, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	wire, theirs, err := socketPair()
	if err != nil {
		return nil, errors.Join(err, out.Close(), outW.Close())
	}
	p, err := os.StartProcess("/proc/self/exe", append(append([]string{"heptap", ConfinedCommand}, args...), "-alive", "3"),
		&os.ProcAttr{Files: []*os.File{nil, outW, outW, theirs}, Env: []string{"PATH=/", "TZ=UTC"}})
	err = errors.Join(err, outW.Close(), theirs.Close())
	if err != nil {
		return nil, errors.Join(err, out.Close(), wire.Close())
	}
	// When memory runs out the kernel shall end the probe, not PID 1.
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/oom_score_adj", p.Pid), []byte("500"), 0)
	return &Child{PID: p.Pid, Out: out, Alive: wire, Tell: prompt{wire}, Signal: p.Signal, Wait: func() (string, error) {
		state, err := p.Wait()
		if err != nil || state.Success() {
			return "", err
		}
		return state.String(), nil
	}}, nil
}

// socketPair returns two ends of a connection.
func socketPair() (ours, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("socket pair: %w", err)
	}
	if err := unix.SetNonblock(fds[0], true); err != nil { // so that deadlines work
		return nil, nil, errors.Join(fmt.Errorf("socket pair: %w", err), unix.Close(fds[0]), unix.Close(fds[1]))
	}
	return os.NewFile(uintptr(fds[0]), "probe"), os.NewFile(uintptr(fds[1]), "init"), nil
}

// prompt is a file that takes what is written soon, or never.
type prompt struct{ f *os.File }

func (p prompt) Write(b []byte) (int, error) {
	if err := p.f.SetWriteDeadline(time.Now().Add(time.Second)); err != nil {
		return 0, err
	}
	return p.f.Write(b)
}
