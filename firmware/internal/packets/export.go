package packets

import (
	"bufio"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"

	"heptap/capture"
	"heptap/capture/decode"
	"heptap/capture/pcapfile"
	"heptap/capture/sdp"
	"heptap/capture/sip"
	"heptap/firmware/internal/privacy"
)

// Options say what of a snapshot is written.
type Options struct {
	Program string   // that writes
	Comment string   // what the file is
	Ports   []string // names of the mirror ports, by their index

	Calls     []string         // Call-IDs; none: everything
	Endpoints []netip.AddrPort // of these calls' media, as far as it is known
	Address   netip.Prefix     // only what comes from or goes there; invalid: everything
	From      time.Time        // zero: no limit
	Until     time.Time

	// Unlocked has everything written that is held. Otherwise Privacy blanks SIP, and
	// Names says that it replaces numbers and names, too.
	Unlocked bool
	Privacy  *privacy.Filter
	Names    bool

	MaxBytes int64 // of the file; 0: no limit
}

// Result says what was written.
type Result struct {
	Frames      int
	Octets      int64
	Bared       int // frames of which something was taken out
	First, Last time.Time
	Full        bool // MaxBytes did not let everything in
}

// writing is a file under way.
type writing struct {
	s      *Snapshot
	o      *Options
	w      *pcapfile.Writer
	ifaces map[[2]uint16]uint32
	calls  map[string]bool
	media  map[netip.AddrPort]bool
	pieces map[uint64]bool // datagrams in fragments that are of such a call
	mask   mask
	tcp    assembler
	packet capture.Packet
	view   sip.View
	sdp    sdp.Session
	room   []byte
	marks  []Pin
	Result
}

// Write writes what o says as pcapng: an interface per mirror port and link type,
// times in nanoseconds, VLAN tags where they were, a frame that was cut with its
// original length, and with a mark's text at the first frame after it.
func (s *Snapshot) Write(w io.Writer, o Options) (Result, error) {
	buffered := bufio.NewWriterSize(w, 64<<10)
	x := &writing{s: s, o: &o, ifaces: map[[2]uint16]uint32{}, marks: s.marks, mask: mask{privacy: o.Privacy, names: o.Names}}
	if len(o.Calls) > 0 {
		x.calls, x.media, x.pieces = map[string]bool{}, map[netip.AddrPort]bool{}, map[uint64]bool{}
		for _, id := range o.Calls {
			x.calls[id] = true
		}
		for _, a := range o.Endpoints {
			x.endpoint(a.Addr(), a.Port())
		}
	}
	var err error
	if x.w, err = pcapfile.NewWriter(buffered, o.Program, x.comment()); err != nil {
		return x.Result, err
	}
	x.learn()
	s.each(func(i int, e *entry) bool {
		err = x.frame(i, e)
		return err == nil && !x.Full
	})
	if err == nil {
		err = buffered.Flush()
	}
	x.Octets = x.w.Written
	return x.Result, err
}

// comment says what the file is.
func (x *writing) comment() string {
	lines := []string{x.o.Comment}
	if x.o.Unlocked {
		lines = append(lines, "unlocked: nothing was blanked")
	}
	for _, p := range x.marks {
		lines = append(lines, markText(&p))
	}
	return text(strings.TrimSpace(strings.Join(lines, "\n")))
}

func markText(p *Pin) string {
	s := fmt.Sprintf("mark %d at %s", p.ID, time.Unix(0, p.At).UTC().Format("2006-01-02T15:04:05.000000Z"))
	if p.Text != "" {
		s += ": " + p.Text
	}
	return s + " (" + p.By + ")"
}

// text makes s what a comment may be.
func text(s string) string { return strings.ToValidUTF8(s, ".") }

// within reports whether a frame is in the time that was asked for.
func (x *writing) within(e *entry) bool {
	return e.Wall <= x.s.until && (x.o.From.IsZero() || e.Wall >= x.o.From.UnixNano()) && (x.o.Until.IsZero() || e.Wall <= x.o.Until.UnixNano())
}

// decode looks at a kept frame, which ends earlier than the decoder likes. It
// returns nil for one that cannot be read.
func (x *writing) decode(e *entry) *capture.Packet {
	f := e.Frame
	if x.room = append(x.room[:0], e.Data...); f.Length > len(f.Data) {
		x.room = append(x.room, 0)
	}
	f.Data = x.room
	reason := decode.Decode(&f, &x.packet)
	if reason != capture.DropNone && (reason != capture.DropICMP || !decode.Unreachable(&f, &x.packet)) {
		return nil
	}
	return &x.packet
}

// learn goes through the snapshot for what has to be known beforehand: where the
// media of the calls goes, and what TCP carries.
func (x *writing) learn() {
	x.tcp = assembler{mask: &x.mask, calls: x.calls, learn: x.learnMedia, streams: map[capture.FiveTuple]*direction{}, patches: map[int]*patch{}}
	if x.o.Unlocked {
		x.tcp.mask = &mask{privacy: privacy.New(privacy.Options{})} // only for its calls
		if x.calls == nil {
			return
		}
	}
	x.s.each(func(i int, e *entry) bool {
		switch {
		case e.Wall > x.s.until:
		case e.kind == TCP:
			if p := x.decode(e); p != nil && p.Protocol == capture.ProtoTCP {
				p.Payload = e.body()
				x.tcp.add(i, p)
			}
		case x.calls != nil && e.kind == SIP:
			x.ofCall(e.body())
		case x.calls != nil && e.kind == Fragment && e.payload > shortUDP:
			if p := x.decode(e); p != nil && p.Fragment.Offset == 0 && x.ofCall(e.body()[shortUDP:]) {
				x.pieces[name(p)] = true
			}
		}
		return true
	})
}

// ofCall reports whether a message is of a call that was asked for, and if so
// learns where its media goes.
func (x *writing) ofCall(b []byte) bool {
	if x.view.Parse(b) != nil || !x.calls[string(x.view.CallID)] {
		return false
	}
	x.learnMedia(&x.view)
	return true
}

func (x *writing) learnMedia(v *sip.View) {
	b := v.SDP()
	if len(b) == 0 || x.sdp.Parse(b) != nil {
		return
	}
	for i := range x.sdp.Media() {
		m := &x.sdp.Media()[i]
		x.endpoint(m.Addr, m.Port)
		if m.RTCPPort != 0 {
			at := m.RTCPAddr
			if !at.IsValid() {
				at = m.Addr
			}
			x.endpoint(at, m.RTCPPort)
		}
		for _, c := range m.Candidates() {
			x.endpoint(c.Addr.Addr(), c.Addr.Port())
		}
	}
}

// endpoint notes where media goes, and the port of its RTCP (RFC 3550 11).
func (x *writing) endpoint(a netip.Addr, port uint16) {
	if !a.IsValid() || port == 0 || a.IsUnspecified() {
		return
	}
	x.media[netip.AddrPortFrom(a.Unmap(), port)] = true
	if port%2 == 0 {
		x.media[netip.AddrPortFrom(a.Unmap(), port+1)] = true
	}
}

// wanted reports whether the i-th frame is of what was asked for.
func (x *writing) wanted(i int, e *entry, p *capture.Packet) bool {
	if x.o.Address.IsValid() {
		if p == nil {
			return false
		}
		flow := p.FiveTuple()
		if !x.o.Address.Contains(flow.Src.Addr().Unmap()) && !x.o.Address.Contains(flow.Dst.Addr().Unmap()) {
			return false
		}
	}
	if x.calls == nil {
		return true
	}
	if p == nil {
		return false
	}
	switch {
	case e.kind == SIP:
		return x.view.Parse(e.body()) == nil && x.calls[string(x.view.CallID)]
	case e.kind == TCP:
		s := x.tcp.patches[i]
		return s != nil && s.call
	case p.Fragment.Valid:
		return x.pieces[name(p)]
	case e.kind == SCTP:
		return false
	}
	flow := p.FiveTuple()
	return p.Protocol == capture.ProtoUDP && (x.media[unmap(flow.Src)] || x.media[unmap(flow.Dst)])
}

func unmap(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

// frame writes one frame, if it is wanted.
func (x *writing) frame(i int, e *entry) error {
	if !x.within(e) {
		return nil
	}
	p := x.decode(e)
	if !x.wanted(i, e, p) {
		return nil
	}
	bared := false
	if !x.o.Unlocked {
		e.Data = x.room[:len(e.Data)] // p's own, too
		if s := x.tcp.patches[i]; e.kind == TCP && s != nil && s.end > 0 {
			was := string(e.body())
			copy(e.body(), s.payload)
			mendTCP(e, p, was)
			bared = was != string(e.body())
			e.cut(e.at + s.end)
		} else {
			bared = x.mask.apply(e, p)
		}
	}
	return x.write(e, bared)
}

const blockMost = 32 + 12 // octets of a block besides the frame and its comment

// write writes a frame as it is to be seen.
func (x *writing) write(e *entry, bared bool) error {
	comment := ""
	if len(x.marks) > 0 && e.Wall >= x.marks[0].At {
		comment = text(markText(&x.marks[0]))
	}
	if x.o.MaxBytes > 0 && x.w.Written+int64(len(e.Data)+len(comment)+blockMost) > x.o.MaxBytes {
		x.Full = true
		return nil
	}
	id, err := x.iface(e)
	if err == nil {
		err = x.w.Frame(id, &e.Frame, comment)
	}
	if err != nil {
		return err
	}
	if comment != "" {
		x.marks = x.marks[1:]
	}
	at := time.Unix(0, e.Wall)
	if x.Frames == 0 {
		x.First = at
	}
	x.Frames, x.Last = x.Frames+1, at
	if bared {
		x.Bared++
	}
	return nil
}

// iface returns the number of the interface that a frame came in on.
func (x *writing) iface(e *entry) (uint32, error) {
	key := [2]uint16{uint16(e.Port), uint16(e.Link)}
	if id, ok := x.ifaces[key]; ok {
		return id, nil
	}
	name := fmt.Sprintf("port %d", e.Port)
	if int(e.Port) < len(x.o.Ports) {
		name = x.o.Ports[e.Port]
	}
	id, err := x.w.Interface(name, e.Link, 0, "")
	x.ifaces[key] = id
	return id, err
}
