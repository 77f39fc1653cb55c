package heptest

import "time"

// past is a deadline that wakes a reader at once.
var past = time.Unix(1, 0)

// Stall stops reading: when it returns, no connection is read, and none will be
// until Resume. Connections are still accepted, as the kernel does for a
// process that hangs.
func (c *Collector) Stall() {
	c.tb.Helper()
	c.mu.Lock()
	c.stalled = true
	for k := range c.live {
		_ = k.nc.SetReadDeadline(past)
	}
	c.mu.Unlock()
	c.Wait("stall", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		for k := range c.live {
			if !k.parked {
				return false
			}
		}
		return true
	})
}

// Resume reads again after Stall.
func (c *Collector) Resume() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stalled = false
	for k := range c.live {
		_ = k.nc.SetReadDeadline(time.Time{})
	}
	c.notify()
}

// Reset ends all connections with RST, whatever was read, and goes on
// accepting. Over UDP it does nothing.
func (c *Collector) Reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for k := range c.live {
		k.end(ErrReset)
	}
}

// CloseAfter closes each connection when its nth frame is recorded, those that
// have more already with their next. What the process had read beyond it is
// lost. 0 ends that.
func (c *Collector) CloseAfter(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closeAfter = n
}

// CloseOn closes a connection when a frame arrives for which poison is true.
// That frame, and what the process had read beyond it, is not recorded. nil ends
// that. poison must not call the Collector.
func (c *Collector) CloseOn(poison func(frame []byte) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closeOn = poison
}

// Kill ends the collector as kill -9 ends a process: all sockets close, and for
// each connection the kernel sends RST when octets were unread, FIN otherwise.
// (Stall first to have octets unread.) When it returns nothing more is
// recorded. Killing again does nothing.
func (c *Collector) Kill() {
	c.mu.Lock()
	c.running = false
	if c.listener != nil {
		_ = c.listener.Close()
		c.listener = nil
	}
	for k := range c.live {
		k.end(ErrKilled)
	}
	c.udp = nil
	c.notify() // parked readers
	c.mu.Unlock()
	c.wg.Wait()
}

// Restart starts a killed collector on the same port. Records, connections and
// the CloseOn and CloseAfter settings stay; a stall is over.
func (c *Collector) Restart() {
	c.tb.Helper()
	if err := c.listen(); err != nil {
		c.tb.Fatalf("heptest: restart: %v", err)
	}
}
