package uplink

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"heptap/buffer"
	"heptap/capture/record"
)

// Log is the one log. Append, Stats and Status may be called from any goroutine.
type Log struct {
	o       Options
	log     *slog.Logger
	spool   Spool // nil: none
	kick    chan struct{}
	done    chan struct{} // closed when Run has returned
	first   uint64        // number of this run's first record
	corrupt uint64        // records the spool had found corrupt before Open

	// booked is held from before a commit until what it cost is booked, and while the spool is read: what a
	// lane does not find there must not be what was evicted a moment ago and is in no book yet. It comes before mu.
	booked sync.Mutex

	mu         sync.Mutex
	mem        memory
	next       uint64 // the next record's number
	disk       uint64 // the tier boundary
	collectors []*collector
	made       uint64
	shed       ByClass
	shedAt     [record.NumClasses]int // see shedAt
	refused    uint64
	damages    uint64 // times the spool was found damaged
	diskErrors uint64
	diskError  string // the last attempt's, empty when it went well
	losses     uint64 // grows when a record on disk is lost: what a lane has read ahead is stale
	spilling   bool   // a commit is reading pages
	kickAt     int    // octets of memory at which Append wakes the keeper
	dirty      bool   // a stored cursor is behind
	scratch    spans
	gone       []string // cursors that are not needed any more
	stamps     []stamp  // when which number was next, oldest first
	unsaved    unsaved
	commitMost time.Duration // what a commit took at most
	running    bool
	early      bool // Shutdown came before Run
	closing    bool
	stop       context.CancelFunc
}

// logCursor is where the spool keeps the log's epoch.
const logCursor = ".log"

// epochBits is how many bits of a sequence number count records.
const epochBits = 40

// minRecord is what Seal touches, and what a record has at least.
const minRecord = 76

// Errors of Append.
var (
	ErrClosed    = fmt.Errorf("uplink: log %w", os.ErrClosed)
	ErrMalformed = errors.New("uplink: not a record")
)

// Open makes the log over what the spool holds. It starts nothing: Run does.
// The spool is the Log's from here on, also when Open fails.
func Open(o Options) (*Log, error) {
	l := &Log{spool: o.Spool, kick: make(chan struct{}, 1), done: make(chan struct{})}
	err := l.open(o)
	if err != nil {
		if l.spool != nil {
			err = errors.Join(err, l.spool.Close())
		}
		return nil, fmt.Errorf("open log: %w", err)
	}
	return l, nil
}

func (l *Log) open(o Options) error {
	o, err := o.withDefaults()
	if err != nil {
		return err
	}
	l.o, l.log, l.mem = o, o.Logger, newMemory(o.Memory)
	l.kickAt = o.Memory / 2
	l.shedAt = shedAt(o.Shed)
	l.first = strayEpoch() << epochBits
	if l.spool != nil {
		if err := l.beginEpoch(); err != nil {
			l.first = max(l.first, strayEpoch()<<epochBits)
			l.log.Error("spool does not work, running without", "err", err) // a probe with a sick disk still forwards
		}
		l.corrupt = l.spool.Stats().Corrupt
	}
	l.next, l.disk = l.first, l.first
	configs := o.Collectors
	if len(configs) == 0 {
		configs = []Collector{{}} // keeps the records, and the books, until there is one
	}
	if l.spool == nil {
		for _, cfg := range configs {
			l.collectors = append(l.collectors, newCollector(l, cfg))
		}
		l.assignSlots()
		return nil
	}
	former, stays := l.former(configs)
	for _, cfg := range configs {
		l.restore(newCollector(l, cfg), stays)
	}
	l.keepRemoved(former, stays)
	l.assignSlots()
	return nil
}

func (l *Log) restore(c *collector, joins bool) {
	if err := c.restore(joins); err != nil {
		l.log.Error("cursor not read", "collector", c.cfg.Name, "err", err)
	}
	l.collectors = append(l.collectors, c)
}

// strayEpoch is the epoch of a run that no spool numbers: minutes, so that two runs do not
// share their numbers, and a spool that works again later has lower ones.
func strayEpoch() uint64 {
	const begin = 1767225600 // 2026-01-01 00:00 UTC
	minutes := (time.Now().Unix() - begin) / 60
	return uint64(min(max(minutes, 1), 1<<(64-epochBits)-1))
}

// beginEpoch finds this run's first number and makes sure that no later run
// uses it again.
func (l *Log) beginEpoch() error {
	epoch := uint64(1)
	old, ok, err := l.spool.Cursor(logCursor)
	if errors.Is(err, buffer.ErrDamaged) {
		old, ok, err = l.spool.Cursor(logCursor)
	}
	if ok && err == nil && len(old) == 8 {
		epoch = binary.BigEndian.Uint64(old) + 1
	}
	epoch = max(epoch, l.spool.Stats().Last>>epochBits+1)
	b := buffer.Batch{Cursors: map[string][]byte{logCursor: binary.BigEndian.AppendUint64(nil, epoch)}}
	_, err = l.commit(b)
	if errors.Is(err, buffer.ErrDamaged) {
		_, err = l.commit(b)
	}
	l.first = epoch << epochBits
	return err
}

// Append takes the record that rec holds, made by record.AppendBinary, into
// the log. It copies rec and never waits for network or disk. A record that was
// shed for want of space is counted, not an error.
func (l *Log) Append(rec []byte) error {
	if len(rec) < minRecord || record.ClassOf(rec) >= record.NumClasses {
		l.mu.Lock()
		l.refused++
		l.mu.Unlock()
		return ErrMalformed
	}
	epoch := l.o.ClockEpoch()
	class := record.ClassOf(rec)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closing {
		return ErrClosed
	}
	l.made++
	skip := record.SkipOf(rec)
	if skip != 0 && l.skip(skip) {
		return nil // it is for nobody
	}
	if !l.admit(class, len(rec)) {
		l.refuse(class, skip)
		return nil
	}
	record.Seal(l.mem.push(l.next, rec), l.next, epoch, l.o.Boot)
	l.next++
	if l.mem.used > l.kickAt {
		l.kickAt = l.mem.limit // until the keeper has looked
		poke(l.kick)
	}
	for _, c := range l.collectors {
		c.wakeLive()
	}
	return nil
}

// shedAt says how full memory must be, in percent, for each class to be shed; 0 for never.
func shedAt(order []record.Class) (at [record.NumClasses]int) {
	for i, c := range order {
		at[c] = 85 + 10*i/max(len(order)-1, 1)
	}
	return at
}

// admit makes room for a record of n octets, or says that there is none.
func (l *Log) admit(class record.Class, n int) bool {
	lagging := len(l.mem.pages) > 0 && l.lagging(max(l.disk, l.mem.pages[0].first), l.mem.pages[0].end())
	at := l.shedAt[class]
	if at > 0 && l.mem.used > l.mem.limit/100*at && !lagging {
		return false
	}
	for !l.mem.room(n) {
		if l.spilling || len(l.mem.pages) == 0 || at > 0 && !lagging {
			return false
		}
		l.evictPage()
	}
	return true
}

// evictPage gives up the oldest page: memory is full and the disk does not take
// it. The boundary moves, as if the page had gone to disk and been lost there.
func (l *Log) evictPage() {
	p := l.mem.pages[0]
	for seq := max(p.first, l.disk); seq < p.end(); seq++ {
		rec := p.record(seq)
		for _, c := range l.collectors {
			c.lose(seq, record.ClassOf(rec), record.SkipOf(rec), &c.n.Evicted, false)
		}
	}
	l.advance(max(l.disk, p.end()))
}

// advance moves the tier boundary and lets go of the pages below it.
func (l *Log) advance(disk uint64) {
	l.disk = disk
	l.mem.drop(func(p *page) bool { return p.end() <= disk })
	for _, c := range l.collectors {
		c.reconcile()
	}
}

// sweep lets go of pages that every collector has confirmed.
func (l *Log) sweep() {
	l.mem.drop(func(p *page) bool {
		if p.end() == l.next {
			return false // being filled
		}
		for _, c := range l.collectors {
			if c.open.overlaps(max(p.first, l.disk), p.end()) {
				return false
			}
		}
		return true
	})
}

func poke(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// Run feeds the collectors until ctx ends or Shutdown is called. Then it stores what
// is not confirmed, closes the spool and returns. It runs once, and not at all when
// Shutdown came first.
func (l *Log) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	l.mu.Lock()
	if l.running {
		early := l.early
		l.mu.Unlock()
		if early {
			<-l.done
			return nil
		}
		return errors.New("uplink: Run called twice")
	}
	l.running, l.stop = true, cancel
	l.mu.Unlock()
	defer close(l.done)

	var lanes, flights, beside sync.WaitGroup
	besideCtx, stopBeside := context.WithCancel(ctx)
	defer stopBeside()
	for _, c := range l.collectors {
		c.flying = &flights
		if c.cfg.Beside != nil {
			beside.Go(func() { c.cfg.Beside(besideCtx) })
		}
		for _, ln := range c.lanes {
			lanes.Go(func() { ln.run(ctx) })
		}
	}
	idle := make(chan struct{})
	if c := l.collectors[0]; c.cfg.Dial == nil {
		lanes.Go(func() { c.waitClosing(ctx) })
	}
	go func() {
		lanes.Wait()
		flights.Wait()
		stopBeside()
		beside.Wait()
		close(idle)
	}()
	l.keep(idle)
	return l.finish()
}

// Done is closed when Run has returned.
func (l *Log) Done() <-chan struct{} { return l.done }

// waitClosing stands in for lanes where there is no collector.
func (c *collector) waitClosing(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-c.closed:
	}
}

// Shutdown refuses further records, sends what memory holds, waits for the
// collectors' confirmation until ctx ends, and has Run store the rest and
// return. It returns when Run has.
func (l *Log) Shutdown(ctx context.Context) error {
	l.mu.Lock()
	if !l.closing {
		l.closing = true
		for _, c := range l.collectors {
			close(c.closed)
		}
	}
	running, stop := l.running, l.stop
	if !running { // Run may come at any time
		l.running, l.early, l.stop = true, true, func() {}
	}
	l.mu.Unlock()
	if !running {
		defer close(l.done)
		return l.finish()
	}
	select {
	case <-l.done:
		return nil
	case <-ctx.Done():
		stop()
		<-l.done
		return ctx.Err()
	}
}
