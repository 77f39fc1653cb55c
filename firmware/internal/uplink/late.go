package uplink

import (
	"errors"
	"fmt"
)

var errAhead = errors.New("its numbers are ahead of the log's")

// adopt takes up a spool that did not work at Open, for what the end leaves in memory. No lane
// runs any more. What it holds of earlier runs counts as carried in.
func (l *Log) adopt() error {
	s, err := l.o.Late()
	if err != nil {
		return err
	}
	if last := s.Stats().Last; last >= l.first {
		return errors.Join(fmt.Errorf("%w: %d", errAhead, last), s.Close())
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.spool = s
	former, stays := l.former(l.o.Collectors)
	for _, c := range l.collectors {
		own := c.open // of this run
		err := c.restore(stays)
		c.open = c.open.cut(l.first, forever)
		for _, sp := range own {
			c.open = c.open.add(sp.from, sp.to)
		}
		if err != nil {
			l.log.Error("cursor not read", "collector", c.cfg.Name, "err", err)
		}
		c.reconcile()
	}
	l.keepRemoved(former, stays)
	return nil
}
