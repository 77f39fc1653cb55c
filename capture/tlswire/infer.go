package tlswire

// Lengths of TLS 1.3 records in which one small message is protected: content,
// one octet of type, and the AEAD's tag (RFC 8446 5.2).
const (
	alertContent      = 2
	noCertificate     = messageHeader + 1 + 3 // empty context and list (4.4.2)
	sustainedData     = 4                     // records of a client alone that tell it was accepted
	suiteCCM8         = 0x1305
	suiteAES256       = 0x1302
	suiteAEGIS256     = 0x1306
	hash256, hash384  = 32, 48
	hash512           = 64
	fullTag, shortTag = 16, 8
	finishedOverhead  = messageHeader + 1
	shortFinished     = finishedOverhead + hash256 + shortTag
	usualFinished     = finishedOverhead + hash256 + fullTag
	longFinished      = finishedOverhead + hash384 + fullTag
	longestFinished   = finishedOverhead + hash512 + fullTag
	usualAlert        = alertContent + 1 + fullTag
	shortAlert        = alertContent + 1 + shortTag
)

// isFlight reports whether a record of this length may be a Finished or an
// alert under any suite.
func isFlight(n uint16) bool {
	switch n {
	case shortFinished, usualFinished, longFinished, longestFinished, usualAlert, shortAlert:
		return true
	}
	return false
}

// tag is the suite's AEAD tag.
func (s Suite) tag() uint16 {
	if s == suiteCCM8 {
		return shortTag
	}
	return fullTag
}

// finished is the length of a Finished's record.
func (s Suite) finished() uint16 {
	hash := uint16(hash256)
	switch s {
	case suiteAES256:
		hash = hash384
	case suiteAEGIS256:
		hash = hash512
	}
	return finishedOverhead + hash + s.tag()
}

// isAlert reports whether a record is as long as an alert's.
func (s Suite) isAlert(n uint16) bool { return n == alertContent+1+s.tag() }

// clientFinished returns the record in which the client's Finished seems to
// be: one that is exactly as long, or else the first one that has room for it
// behind a certificate. exact says which.
func (s *Session) clientFinished(c *direction) (r early, exact, ok bool) {
	want := s.hellos.Suite.finished()
	kept := c.data.first[:c.data.kept]
	for _, r := range kept {
		if r.length == want {
			return r, true, true
		}
	}
	for _, r := range kept {
		if r.length > want && !s.hellos.EarlyData {
			return r, false, true
		}
	}
	return early{}, false, false
}

// after counts the records of d behind the first n, the last one not if it is
// as long as an alert.
func (s *Session) after(d *direction, n uint32) uint32 {
	rest := d.data.records - n
	if rest > 0 && s.hellos.Suite.isAlert(d.data.last) {
		rest--
	}
	return rest
}

// infer judges a handshake of TLS 1.3 by the lengths of its records.
func (s *Session) infer(c, v *direction) (Outcome, Side) {
	suite := s.hellos.Suite
	closed := s.closed()
	byServer := s.closer > 0 && &s.dir[s.closer-1] == v
	r, exact, finished := s.clientFinished(c)
	if !finished {
		switch {
		case !closed || c.blind && c.gap:
			return Pending, Nobody
		case c.data.records > 0 && suite.isAlert(c.data.last), c.data.records == 0 && v.data.records > 0 && (!suite.isAlert(v.data.last) || v.data.late > 0) && !byServer:
			return AbortedByClient, Client
		case v.data.records > 0 && suite.isAlert(v.data.last):
			return AbortedByServer, Server
		}
		return Pending, Nobody
	}
	client, server := s.after(c, r.own), s.after(v, r.peer)
	switch {
	case server > 0 && (client > 0 || exact && r.own == 1), client >= sustainedData:
		return EstablishedInferred, Nobody
	case !closed:
		return Pending, Nobody
	case server == 0 && v.data.records > r.peer+v.data.late, server == 0 && byServer:
		return AbortedByServer, Server
	}
	return ClientFinished, Nobody
}

// hiddenStage is stage for TLS 1.3.
func (s *Session) hiddenStage(c, v *direction) Stage {
	_, _, finished := s.clientFinished(c)
	o, _ := s.infer(c, v)
	switch {
	case o == EstablishedInferred:
		return DataFlows
	case finished:
		return OneFinished
	case c.data.records > 0 && !s.hellos.Suite.isAlert(c.data.last):
		return ClientFlight
	case v.data.records > 0:
		return ServerFlight
	}
	return HelloAnswered
}

// hiddenAuth infers from the client's first record whether it was asked for a
// certificate and had one: a Certificate comes before the Finished (RFC 8446
// 4.4).
func (s *Session) hiddenAuth(c *direction) (asked, none Answer) {
	if c.data.kept == 0 || s.hellos.EarlyData || c.gap {
		return Unknown, Unknown
	}
	r, exact, ok := s.clientFinished(c)
	switch n := c.data.first[0].length; {
	case n == noCertificate+1+s.hellos.Suite.tag():
		return ProbablyYes, ProbablyYes
	case ok && exact && r.own == 1:
		return ProbablyNo, Unknown
	case ok && exact:
		return ProbablyYes, ProbablyNo
	}
	return Unknown, Unknown
}
