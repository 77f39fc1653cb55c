package support

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"time"
)

const (
	maxPart  = 1 << 20 // octets of one part
	maxTotal = 4 << 20 // of all, before they are compressed
	cutLine  = "\n... and more, left out\n"
)

// Part is one file of a bundle.
type Part struct {
	Name string
	// Write writes it. What it has written before an error is kept.
	Write func(w io.Writer) error
}

// Text makes a Part of a text.
func Text(name, text string) Part {
	return Part{name, func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	}}
}

var errCut = errors.New("cut: there was more")

// limited keeps the first octets that are written to it.
type limited struct {
	kept bytes.Buffer
	most int
}

func (l *limited) Write(b []byte) (int, error) {
	if room := l.most - l.kept.Len(); len(b) > room {
		_, _ = l.kept.Write(b[:room])
		return room, errCut
	}
	return l.kept.Write(b)
}

// Write writes a bundle of the parts, in a folder of the name given; what comes first
// is the most important. An error is one of w.
func Write(w io.Writer, folder string, at time.Time, parts []Part) error {
	z := gzip.NewWriter(w)
	t := tar.NewWriter(z)
	var problems bytes.Buffer
	left := maxTotal
	add := func(p Part) error {
		b := limited{most: min(maxPart, left)}
		if err := p.Write(&b); err != nil {
			fmt.Fprintf(&problems, "%s: %v\n", p.Name, err)
			if errors.Is(err, errCut) {
				b.kept.WriteString(cutLine)
			}
		}
		if b.kept.Len() == 0 {
			return nil
		}
		left -= min(left, b.kept.Len())
		if err := t.WriteHeader(&tar.Header{Name: folder + "/" + p.Name, Mode: 0o600, Size: int64(b.kept.Len()), ModTime: at.Truncate(time.Second)}); err != nil {
			return err
		}
		_, err := t.Write(b.kept.Bytes())
		return err
	}
	for _, p := range parts {
		if err := add(p); err != nil {
			return err
		}
	}
	left = maxPart
	if err := add(Text("problems.txt", problems.String())); err != nil {
		return err
	}
	return errors.Join(t.Close(), z.Close())
}
