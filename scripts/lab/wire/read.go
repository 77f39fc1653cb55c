package wire

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"

	"heptap/scripts/lab/box"
)

// tshark has tshark read a file. Segments of TCP may have come in any order.
func tshark(ctx context.Context, file string, args ...string) ([]byte, error) {
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, "tshark", append([]string{"-r", file, "-o", "tcp.reassemble_out_of_order:TRUE"}, args...)...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("tshark: %w: %s", err, bytes.TrimSpace(stderr.Bytes()))
	}
	return out, nil
}

// Count has tshark count the frames of a capture file that a display filter
// lets through.
func Count(ctx context.Context, file, filter string, args ...string) (int, error) {
	out, err := tshark(ctx, file, append(args, "-Y", filter, "-T", "fields", "-e", "frame.number")...)
	return bytes.Count(out, []byte("\n")), err
}

// Read has tshark list the SIP messages of a capture file: in datagrams or
// connections, in whatever tunnel, several of them in one frame or one in many
// frames. It may be given further arguments.
func Read(ctx context.Context, file string, args ...string) ([]box.Message, error) {
	out, err := tshark(ctx, file, append(args, "-Y", "sip", "-T", "pdml")...)
	if err != nil {
		return nil, err
	}
	var all []box.Message
	var r reader
	in := xml.NewDecoder(bytes.NewReader(out))
	for {
		t, err := in.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("tshark: %w", err)
		}
		switch t := t.(type) {
		case xml.StartElement:
			r.start(t)
		case xml.EndElement:
			if m, ok := r.end(t); ok {
				if m.CallID == "" || m.What == "" {
					return nil, fmt.Errorf("tshark: %+v", m)
				}
				all = append(all, m)
			}
		}
	}
	return all, nil
}

// reader collects a message from the fields of PDML. Of headers that occur
// once more, as in tunnels, the last before the message counts.
type reader struct {
	depth, in  int // elements that are open; how many were when the message began, or 0
	addr, port string
	m          box.Message
}

func (r *reader) start(t xml.StartElement) {
	r.depth++
	var name, show string
	for _, a := range t.Attr {
		switch a.Name.Local {
		case "name":
			name = a.Value
		case "show":
			show = a.Value
		}
	}
	switch {
	case t.Name.Local == "proto" && name == "sip":
		r.in, r.m = r.depth, box.Message{Src: r.addr + ":" + r.port}
	case r.in == 0 && name == "ip.src":
		r.addr = show
	case r.in == 0 && (name == "udp.srcport" || name == "tcp.srcport" || name == "sctp.srcport"):
		r.port = show
	case r.in == 0:
	case name == "sip.Call-ID":
		r.m.CallID = strings.TrimSpace(show)
	case name == "sip.CSeq":
		r.m.CSeq = strings.TrimSpace(show)
	case name == "sip.Request-Line":
		r.m.What, _, _ = strings.Cut(show, " ")
	case name == "sip.Status-Line":
		if f := strings.Fields(show); len(f) > 1 {
			r.m.What = f[1]
		}
	}
}

func (r *reader) end(t xml.EndElement) (m box.Message, ok bool) {
	if r.in == r.depth {
		ok, r.in = true, 0
	}
	r.depth--
	return r.m, ok
}
