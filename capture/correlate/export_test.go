package correlate

// Left is how much c remembers, of any kind.
func (c *Correlator) Left() int {
	return len(c.calls) + c.endpoints.used + len(c.tunnelled) + len(c.streams) + len(c.senders) + c.silentCalls + c.foreign
}
