package appliance

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"heptap/board"
	"heptap/firmware/internal/bundle"
	"heptap/firmware/internal/durable"
	"heptap/firmware/internal/slots"
)

// Verbs by which a probe has PID 1 change the system.
const (
	VerbUpgrade     = "upgrade"      // install DownloadFile, which is newer; or with UpgradeForce
	VerbUpgradeUSB  = "upgrade-usb"  // install a file of the USB stick; its name, and perhaps a blank and UpgradeForce
	VerbUpgradeKeep = "upgrade-keep" // commit the system that runs
	VerbUpgradeBack = "upgrade-back" // give it up, and restart
	UpgradeForce    = "force"        // the text of VerbUpgrade that allows an older release
)

// News of the systems.
const (
	NewsUpgrade = "upgrade"  // a word of those below, a space, and more
	NewsSystems = "systems"  // what there is, as lines of text
	NewsWhy     = "why"      // why the system before this one was given up; empty if it was not
	NewsGivenUp = "given-up" // versions of those that were given up, with blanks between them

	UpgradeWriting = "writing" // how far it is
	UpgradeDone    = "done"    // what it is now
	UpgradeFailed  = "failed"  // why
)

// DownloadFile is where a probe puts an update, in a directory that is its own.
const DownloadFile = dataDir + "/download/update"

// TrustedKeys is the file of the public keys that updates are signed by, in PEM.
const TrustedKeys = "/etc/heptap/update.pub"

const (
	systemDir    = dataDir + "/system" // what PID 1 keeps of systems:
	beforeFile   = "before"            //   the troubles that a new one may have, too
	crashFile    = "crashes"           //   of which, and when
	saidFile     = "said"              //   why one was given up
	installMost  = 15 * time.Minute
	slotTemplate = "/lib/slots.vfat.gz"
)

// Release is what PID 1 knows of the release that it is.
type Release struct {
	bundle.Release
	Data int // the newest format of the data partition that it reads
}

// bootLoader is the boot loader of a kind of boards, and where its systems are.
type bootLoader interface {
	// started says which system it has started.
	started(ctx context.Context) (number int, err error)
	// use has the systems be at hand for what do does.
	use(ctx context.Context, do func(slots.Loader) error) error
	// takes says why it would not start a system. peBegin octets of it can be looked at.
	takes(system *bufio.Reader) error
	// restart is called before the box restarts: the system that is first is to be started then.
	restart(ctx context.Context, running int) error
}

// systems is what PID 1 does about the systems of the box: takes new ones, and judges the
// one that runs; see trial and crashes.
type systems struct {
	log     *slog.Logger
	disk    bootLoader
	board   string
	release Release
	keys    string // file of public keys
	update  string // file of an update
	dir     string // where it keeps what it knows
	news    *teller
	state   func(text string) // for the status
	restart func()
	now     func() time.Time // of the wall clock
	times   trialTimes

	busy sync.Mutex     // held while the slots are used
	jobs sync.WaitGroup // an installation
	ctx  context.Context

	mu         sync.Mutex
	known      error      // why it is not known what runs
	running    slots.Slot // its number is slots.Factory for that
	installing bool
	leaving    bool // given up, and about to restart
	troubles   []string
	seen       time.Time // when the probe told of them
}

// startSystems finds out which system runs, which may have crashed before this start.
func (b *Box) startSystems(ctx context.Context, store *store, ended string) {
	s := &systems{log: b.log.With("task", "systems"), board: b.Board, release: b.Release, ctx: ctx, now: time.Now, news: &b.news,
		disk: b.bootLoader(store),
		keys: b.path(TrustedKeys), update: b.path(DownloadFile), dir: b.path(systemDir),
		state: func(text string) { b.status.set("system", "%s", text) }, restart: func() { b.ask(Restart) }, times: trialTimes{trialGood, trialMost}}
	if b.trial != (trialTimes{}) {
		s.times = b.trial
	}
	b.systems = s
	b.vigil.vouch("systems", bootAtMost)
	number, err := s.disk.started(ctx)
	if err == nil {
		s.running.Number = number
		err = s.look()
	}
	if err != nil {
		s.known = err
		s.log.Error("it is not known which system runs: no updates", "err", err)
		s.state("not known: " + err.Error())
		s.news.tell(NewsSystems, "It is not known which system runs: "+err.Error()+"\n")
	}
	s.begin()
	if cause, _ := LastReset(ended); cause == ResetWatchdog || cause == ResetPanic {
		s.crashed(ended)
	}
}

// bootLoader is the board's.
func (b *Box) bootLoader(store *store) bootLoader {
	if b.Boot == board.BootTry {
		return &tryDisk{kernel: b.Kernel, log: b.log.With("task", "systems"), find: store.find, partition: b.path(bootedPartition)}
	}
	return &slotDisk{kernel: b.Kernel, find: store.find, template: b.path(slotTemplate), at: b.path(slotsAt), variables: b.path(efiVariables)}
}

// look reads what there is, finds what runs among it, and tells of it.
func (s *systems) look() error {
	s.busy.Lock()
	defer s.busy.Unlock()
	return s.disk.use(s.ctx, s.lookAt)
}

func (s *systems) lookAt(l slots.Loader) error {
	all, err := l.List()
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	number, found := s.running.Number, s.running.Number == slots.Factory
	var b strings.Builder
	var bad []string
	line := func(number int, name, version, state string) {
		mark := " "
		if number == s.running.Number {
			mark = "*"
		}
		fmt.Fprintf(&b, "%s %-8s %-24s %s\n", mark, name, version, state)
	}
	for _, o := range all {
		runs := o.Number == number
		if runs {
			s.running, found = o, true
		}
		if o.GivenUp() && !runs {
			bad = append(bad, o.Version)
		}
		line(o.Number, fmt.Sprint(o.Number), o.Version, o.State(runs))
	}
	line(slots.Factory, "factory", "", "never changes")
	if !found {
		return fmt.Errorf("system %d, which runs, is not on the disk", number)
	}
	said, _ := readAtMost(s.path(saidFile), 1024) // there is none as long as all goes well
	b.Write(said)
	s.news.tell(NewsWhy, strings.TrimSpace(string(said)))
	s.news.tell(NewsSystems, b.String())
	s.news.tell(NewsGivenUp, strings.Join(bad, " "))
	s.state(s.name())
	return nil
}

// name is the running system in words. s.mu is held.
func (s *systems) name() string {
	if s.running.Number == slots.Factory {
		return "factory"
	}
	return fmt.Sprintf("%d, %s, %s", s.running.Number, s.running.Version, s.running.State(true))
}

func (s *systems) path(name string) string { return filepath.Join(s.dir, name) }

// note writes down one of the things that outlive a restart.
func (s *systems) note(name, text string) {
	if err := durable.Write(s.path(name), []byte(text), 0o600); err != nil {
		s.log.Error("what is known of systems is not written down", "file", name, "err", err)
	}
}

// change does something to the slots, and looks at them again.
func (s *systems) change(ctx context.Context, do func(slots.Loader) error) error {
	s.busy.Lock()
	defer s.busy.Unlock()
	return s.disk.use(ctx, func(l slots.Loader) error { return errors.Join(do(l), s.lookAt(l)) })
}

// restarts has the boot loader start the system that is first, in the restart that follows.
func (s *systems) restarts() {
	s.mu.Lock()
	number, known := s.running.Number, s.known == nil
	s.mu.Unlock()
	if !known {
		return
	}
	s.busy.Lock()
	defer s.busy.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), diskWait)
	defer cancel()
	if err := s.disk.restart(ctx, number); err != nil {
		s.log.Error("THE NEW SYSTEM CANNOT BE TRIED: this one starts again", "err", err)
		s.note(saidFile, "the new system could not be tried: "+err.Error()+"\n")
	}
}

// runs returns the number of the running system.
func (s *systems) runs() (number int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.known != nil:
		return 0, fmt.Errorf("it is not known which system runs: %w", s.known)
	case s.leaving:
		return 0, errors.New("the box is about to restart")
	}
	return s.running.Number, nil
}

// download opens the update that a probe has got.
func (s *systems) download() (*os.File, func() error, error) {
	f, err := openRegular(s.update)
	if err != nil {
		return nil, nil, err
	}
	return f, f.Close, nil
}

// install begins to install the update that open opens, and closes by what it returns. How
// it goes on is told as news.
func (s *systems) install(force bool, open func() (*os.File, func() error, error)) error {
	number, err := s.runs()
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.installing {
		return errors.New("an update is being installed already")
	}
	s.installing = true
	s.news.tell(NewsUpgrade, UpgradeWriting+" nothing yet")
	s.jobs.Go(func() {
		ctx, cancel := context.WithTimeout(s.ctx, installMost)
		defer cancel()
		slot, err := s.installed(ctx, number, force, open)
		text := fmt.Sprintf("%s system %d, %s", UpgradeDone, slot.Number, slot.Version)
		if err != nil {
			text = UpgradeFailed + " " + err.Error()
			s.log.Error("update not installed", "err", err)
		} else {
			s.log.Warn("UPDATE INSTALLED: it starts at the next restart", "system", slot.Number, "version", slot.Version)
		}
		s.mu.Lock()
		s.installing = false
		s.mu.Unlock()
		s.news.tell(NewsUpgrade, text)
	})
	return nil
}

// installed installs the update beside the running system.
func (s *systems) installed(ctx context.Context, running int, force bool, open func() (*os.File, func() error, error)) (slot slots.Slot, err error) {
	trusted, err := bundle.ReadPublic(s.keys)
	if err != nil {
		return slot, err
	}
	file, done, err := open()
	if err != nil {
		return slot, err
	}
	defer func() { err = errors.Join(err, done()) }()
	r, err := bundle.NewReader(file, trusted)
	if err != nil {
		return slot, err
	}
	if err := Suits(r.Header, s.board, s.release, force); err != nil {
		return slot, err
	}
	begin := bufio.NewReaderSize(r, peBegin)
	if err := s.disk.takes(begin); err != nil {
		return slot, err
	}
	in := &counted{ctx: ctx, r: begin, size: r.Header.Size, tell: func(text string) { s.news.tell(NewsUpgrade, UpgradeWriting+" "+text) }}
	err = s.change(ctx, func(l slots.Loader) (err error) {
		if slot, err = l.Install(running, r.Header.Version, r.Header.SHA256, in); err != nil {
			return err
		}
		s.keepTroubles()
		if err := os.Remove(s.path(saidFile)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		return nil
	})
	return slot, err
}

// ErrNotNewer says that an update is of the release that the box has, or an older one.
var ErrNotNewer = errors.New("not newer")

// Suits says why an update is not for a box of that board, which has that release.
func Suits(h bundle.Header, board string, have Release, force bool) error {
	switch {
	case h.Board != board:
		return fmt.Errorf("it is for the board %s, this one is %s", h.Board, board)
	case force:
		return nil
	case h.Data < have.Data:
		return fmt.Errorf("version %s does not read this box's data (format %d, it reads %d): to take it all the same, and then do a factory reset, add force", h.Version, have.Data, h.Data)
	case bundle.Compare(h.Release(), have.Release) <= 0:
		return fmt.Errorf("version %s is %w than %s, which the box has: to take it all the same, add force", h.Version, ErrNotNewer, have.Version)
	}
	return nil
}

// counted reads for as long as ctx is not done, and tells how far it is.
type counted struct {
	ctx        context.Context
	r          io.Reader
	done, size int64
	told       int64 // of ten
	tell       func(text string)
}

func (c *counted) Read(b []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := c.r.Read(b)
	c.done += int64(n)
	if tenth := c.done * 10 / c.size; tenth > c.told {
		c.told = tenth
		c.tell(fmt.Sprintf("%d %% of %.1f MiB", tenth*10, float64(c.size)/(1<<20)))
	}
	return n, err
}
