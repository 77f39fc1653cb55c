package tlswire

// Info returns what is known by now.
func (s *Session) Info() Info {
	i := s.hellos
	c, v := s.ends()
	i.Stage = s.stage()
	i.ServerCert, i.ClientCert = v.cert, c.cert
	i.EncryptedClient, i.EncryptedServer = c.encrypted, v.encrypted
	if s.hidden() {
		i.EncryptedClient, i.EncryptedServer = 0, 0
	}
	i.Incomplete = c.gap || v.gap || c.cut || v.cut || c.state == lost || v.state == lost || s.half(c, v)
	for _, a := range s.alerts[:s.kept] {
		a.alert.From = s.role[a.dir]
		i.Alerts = append(i.Alerts, a.alert)
	}
	i.MoreAlerts = s.more
	i.How = s.gone
	if s.closer > 0 {
		i.ClosedBy, i.How = s.role[s.closer-1], s.dir[s.closer-1].how
	}
	s.answer(&i, c, v)
	i.Outcome, i.By = s.outcome(&i, c, v)
	return i
}

// ends returns the directions of client and server. While nobody has said
// hello the first one is taken for the client's.
func (s *Session) ends() (client, server *direction) {
	if s.role[0] == Server {
		return &s.dir[1], &s.dir[0]
	}
	return &s.dir[0], &s.dir[1]
}

// half reports whether nothing was seen of one side though the other has gone
// further than it could without: of this connection the mirror shows one direction.
func (s *Session) half(c, v *direction) bool {
	switch {
	case v.records == 0:
		return c.seen.has(clientKeyExchange) || c.data.records > 0 || c.changed && !s.hellos.EarlyData
	case c.records == 0:
		return v.seen.has(serverHello)
	}
	return false
}

// answer settles what was resumed and asked for.
func (s *Session) answer(i *Info, c, v *direction) {
	if !s.chosen {
		return
	}
	if s.hidden() {
		i.Resumed = No
		if s.hellos.resumed {
			i.Resumed = Yes
		}
		i.ClientAuth, i.NoClient = s.hiddenAuth(c)
		return
	}
	asked := v.seen.has(certificateRequest)
	switch whole := !v.blind; {
	case v.seen.has(certificate) || v.seen.has(serverHelloDone):
		i.Resumed = No
	case v.changed && whole:
		i.Resumed = Yes // RFC 5246 7.3, figure 2
	}
	switch whole := !v.blind; {
	case asked:
		i.ClientAuth = Yes
	case v.seen.has(serverHelloDone) && whole || i.Resumed == Yes:
		i.ClientAuth = No
	}
	switch {
	case c.cert != nil && c.cert.Chain > 0:
		i.NoClient = No
	case c.cert != nil && !c.cert.ChainCut, asked && c.seen.has(clientKeyExchange) && !c.blind:
		i.NoClient = Yes // SSL 3.0 sends an alert instead of an empty list
	}
}

// stage says how far it came.
func (s *Session) stage() Stage {
	c, v := s.ends()
	if s.hidden() {
		return s.hiddenStage(c, v)
	}
	finished := func(d *direction) bool { return d.finished || d.data.records > 0 }
	switch {
	case finished(c) && finished(v) && c.data.records > 0 && v.data.records > 0:
		return DataFlows
	case finished(c) && finished(v):
		return BothFinished
	case finished(c) || finished(v):
		return OneFinished
	case c.seen.has(clientKeyExchange):
		return ClientFlight
	case v.seen.has(serverHelloDone):
		return ServerFlight
	case s.chosen:
		return HelloAnswered
	case s.retry:
		return RetryAsked
	case c.seen.has(clientHello):
		return HelloSent
	}
	return Nothing
}

// outcome says what became of the handshake, and whose doing it was.
func (s *Session) outcome(i *Info, c, v *direction) (Outcome, Side) {
	switch {
	case c.state == foreign && c.seen == 0 && v.seen == 0 && v.state == foreign:
		return NotTLS, Nobody
	case c.state == foreign:
		return NotTLS, s.roleOf(c)
	case v.state == foreign:
		return NotTLS, s.roleOf(v)
	}
	for _, a := range i.Alerts {
		if a.fails(i.Version) {
			return FailedAlert, a.From
		}
	}
	o, by := s.progress(i, c, v)
	if o != Pending {
		return o, by
	}
	last, alerted := i.LastAlert()
	switch {
	case c.state == malformed:
		return Malformed, s.roleOf(c)
	case v.state == malformed:
		return Malformed, s.roleOf(v)
	case s.closed() && alerted: // close_notify, or a warning that was taken seriously
		return FailedAlert, last.From
	case i.Incomplete:
		return Incomplete, Nobody
	case s.closed():
		return Closed, i.ClosedBy
	}
	return Pending, Nobody
}

func (s *Session) roleOf(d *direction) Side { return s.role[s.side(d)] }

// progress judges the encrypted part of a handshake.
func (s *Session) progress(i *Info, c, v *direction) (Outcome, Side) {
	switch {
	case s.proved && !(c.finished && v.finished):
		return EstablishedInferred, Nobody
	case !s.chosen, s.half(c, v):
		return Pending, Nobody
	case s.hidden():
		return s.infer(c, v)
	case c.finished && v.finished:
		return Established, Nobody
	case c.data.records > 0 && v.data.records > 0:
		return EstablishedInferred, Nobody // a Finished was lost
	case c.encrypted > 0:
		return FailedEncrypted, Client
	case v.encrypted > 0:
		return FailedEncrypted, Server
	}
	return Pending, Nobody
}
