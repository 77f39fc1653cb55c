package fetch

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"heptap/firmware/internal/bundle"
	"heptap/firmware/internal/durable"
)

const (
	attempts   = 6           // that bring nothing, one after the other
	firstPause = time.Second // after one that failed, doubled up to
	mostPause  = 30 * time.Second
	stallMost  = time.Minute // without an octet
	spare      = 4 << 20     // octets that the disk keeps free
	tellEvery  = 3 * time.Second
)

// Options say what to get, and where to.
type Options struct {
	URL     string
	File    string // where it goes; beside it, with Origin behind its name, is where it comes from
	Trusted []ed25519.PublicKey
	Suits   func(bundle.Header) error // why it is not for this box; nil: any is
	Tell    func(line string)         // how it goes
	TLS     *tls.Config               // nil: the system's certificates

	stall time.Duration // stallMost; less in tests
	pause time.Duration // firstPause
}

// Get returns when the file is there, whole, and its signature good. On an error that a
// later Get may get over, what there is of it is kept for that.
func Get(ctx context.Context, o Options) (h bundle.Header, err error) {
	if u, err := url.Parse(o.URL); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return h, errors.New("want an address of the form http://HOST/FILE or https://HOST/FILE")
	}
	if o.stall == 0 {
		o.stall, o.pause = stallMost, firstPause
	}
	if err := os.MkdirAll(filepath.Dir(o.File), 0o750); err != nil {
		return h, err
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.TLSClientConfig, t.ResponseHeaderTimeout, t.DisableCompression = o.TLS, o.stall, true
	defer t.CloseIdleConnections()
	g := &getter{o: o, client: &http.Client{Transport: t}}
	pause := o.pause
	for failed := 0; ; {
		before := g.got
		h, err = g.try(ctx)
		if err == nil || !errors.Is(err, errAgain) || ctx.Err() != nil {
			return h, err
		}
		if g.got > before {
			failed, pause = 0, o.pause
		}
		if failed++; failed == attempts {
			return h, fmt.Errorf("given up after %d attempts: %w; what is there is kept, the same command goes on from there", attempts, err)
		}
		o.Tell(fmt.Sprintf("%v; going on in %v", err, pause))
		select {
		case <-ctx.Done():
			return h, ctx.Err()
		case <-time.After(pause):
		}
		pause = min(2*pause, mostPause)
	}
}

// errAgain says that another attempt may succeed.
var errAgain = errors.New("interrupted")

func again(err error) error { return fmt.Errorf("%w: %w", errAgain, err) }

type getter struct {
	o      Options
	client *http.Client
	got    int64 // octets, of all attempts
}

// try makes one attempt.
func (g *getter) try(ctx context.Context) (h bundle.Header, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	file, err := os.OpenFile(g.o.File, os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return h, err
	}
	defer file.Close()
	have, same := g.left(file)
	resp, err := g.ask(ctx, have, same)
	if err != nil {
		return h, err
	}
	defer resp.Body.Close()
	if have, err = g.place(file, have, resp); err != nil {
		return h, err
	}
	stall := time.AfterFunc(g.o.stall, func() { cancel(fmt.Errorf("nothing came for %v", g.o.stall)) })
	defer stall.Stop()
	body := &body{r: resp.Body, w: file, alive: func(n int) { g.got += int64(n); stall.Reset(g.o.stall) }}
	h, err = g.check(io.MultiReader(io.NewSectionReader(file, 0, have), body))
	switch {
	case err == nil:
		return h, file.Sync()
	case body.wrote != nil:
		return h, body.wrote
	case body.err != nil: // the connection's end, whatever the reader has made of it
		if cause := context.Cause(ctx); cause != nil {
			return h, again(cause)
		}
		return h, again(body.err)
	}
	// What is there is of no use, unless only its beginning was.
	if rerr := g.forget(); rerr != nil {
		return h, errors.Join(err, rerr)
	}
	if have > 0 && errors.Is(err, bundle.ErrCorrupt) {
		return h, again(err)
	}
	return h, err
}

// check reads the update to its end.
func (g *getter) check(r io.Reader) (bundle.Header, error) {
	u, err := bundle.NewReader(r, g.o.Trusted)
	if err != nil {
		return bundle.Header{}, err
	}
	if g.o.Suits != nil {
		if err := g.o.Suits(u.Header); err != nil {
			return u.Header, err
		}
	}
	g.o.Tell(fmt.Sprintf("version %s, %.1f MiB, signed by key %s", u.Header.Version, float64(u.Header.Size)/(1<<20), u.Signer))
	p := &progress{size: u.Header.Size, tell: g.o.Tell, next: time.Now().Add(tellEvery)}
	_, err = io.Copy(p, u)
	return u.Header, err
}

// Origin is the end of the name of the file beside Options.File.
const Origin = ".from"

func (g *getter) origin() string { return g.o.File + Origin }

// left returns how much of the file is there from before, and what tells it from
// another file of the same URL.
func (g *getter) left(file *os.File) (have int64, same string) {
	text, err := os.ReadFile(g.origin())
	from, same, _ := strings.Cut(strings.TrimSuffix(string(text), "\n"), "\n")
	info, serr := file.Stat()
	if err != nil || serr != nil || from != g.o.URL || same == "" {
		return 0, ""
	}
	return info.Size(), same
}

// forget removes what is there.
func (g *getter) forget() error {
	return errors.Join(os.Remove(g.o.File), os.Remove(g.origin()))
}

// ask sends the request, for what is missing.
func (g *getter) ask(ctx context.Context, have int64, same string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, g.o.URL, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "heptap")
	if have > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", have))
		req.Header.Set("If-Range", same)
	}
	resp, err := g.client.Do(req)
	var cert *tls.CertificateVerificationError
	var name *net.DNSError
	switch {
	case err == nil:
		return resp, nil
	case errors.As(err, &cert), errors.As(err, &name) && name.IsNotFound:
		return nil, err
	}
	return nil, again(err)
}

// place prepares the file for what comes, and returns how much of it holds.
func (g *getter) place(file *os.File, have int64, resp *http.Response) (int64, error) {
	switch resp.StatusCode {
	case http.StatusOK:
		have = 0
	case http.StatusPartialContent:
		if begin := fmt.Sprintf("bytes %d-", have); !strings.HasPrefix(resp.Header.Get("Content-Range"), begin) {
			return 0, again(errors.Join(fmt.Errorf("the server sends %q, asked for %s", resp.Header.Get("Content-Range"), begin), g.forget()))
		}
	case http.StatusRequestedRangeNotSatisfiable:
		return 0, again(errors.Join(errors.New("the server has another file now"), g.forget()))
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return 0, again(fmt.Errorf("the server says %s", resp.Status))
	default:
		return 0, fmt.Errorf("the server says %s", resp.Status)
	}
	if have == 0 {
		same := resp.Header.Get("ETag")
		if same == "" || strings.HasPrefix(same, "W/") {
			same = resp.Header.Get("Last-Modified")
		}
		if err := errors.Join(file.Truncate(0), durable.Write(g.origin(), []byte(g.o.URL+"\n"+same+"\n"), 0o600)); err != nil {
			return 0, err
		}
	}
	if _, err := file.Seek(have, io.SeekStart); err != nil {
		return 0, err
	}
	room, err := durable.Room(g.o.File, spare)
	if total := have + resp.ContentLength; err == nil && resp.ContentLength > 0 && total > room {
		err = fmt.Errorf("it is of %.1f MiB, and the data partition has room for %.1f: set spool max-size smaller, or remove captures", float64(total)/(1<<20), float64(max(room, 0))/(1<<20))
	}
	return have, err
}

// body is what comes, and goes to the file on its way.
type body struct {
	r          io.Reader
	w          io.Writer
	alive      func(n int)
	err, wrote error // what has ended it, but for its end
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if n > 0 {
		b.alive(n)
		if _, werr := b.w.Write(p[:n]); werr != nil {
			b.wrote = werr
			return 0, werr
		}
	}
	if err != nil && err != io.EOF {
		b.err = err
	}
	return n, err
}

// progress tells how far it is.
type progress struct {
	done, size int64
	next       time.Time
	tell       func(string)
}

func (p *progress) Write(b []byte) (int, error) {
	p.done += int64(len(b))
	if now := time.Now(); !now.Before(p.next) || p.done == p.size {
		p.next = now.Add(tellEvery)
		p.tell(fmt.Sprintf("%d %% of %.1f MiB", p.done*100/p.size, float64(p.size)/(1<<20)))
	}
	return len(b), nil
}
