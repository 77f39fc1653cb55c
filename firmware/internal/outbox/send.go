package outbox

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"
)

const (
	dialAtMost   = 15 * time.Second
	answerAtMost = time.Minute
	sayMost      = 200 // octets of what a server says to an error
)

// Send puts the file called name to address, a URL; one that ends with a slash is a
// directory, and the file's name is put behind it. fingerprint, if it is not empty, is the SHA-256 of
// the server's certificate, in hexadecimal digits, with or without colons: then nothing
// else is asked of it.
func (d *Dir) Send(ctx context.Context, name, address, fingerprint string) (to string, sent int64, err error) {
	u, err := target(name, address)
	if err != nil {
		return "", 0, err
	}
	client, err := client(fingerprint)
	if err != nil {
		return "", 0, err
	}
	defer client.CloseIdleConnections()
	f, err := d.Open(name)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return "", 0, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPut, u.String(), f)
	if err != nil {
		return "", 0, err
	}
	r.ContentLength = st.Size()
	r.Header.Set("Content-Type", "application/octet-stream")
	r.Header.Set("User-Agent", "heptap")
	answer, err := client.Do(r)
	if err != nil {
		return "", 0, plain(err)
	}
	defer answer.Body.Close()
	said, _ := io.ReadAll(io.LimitReader(answer.Body, sayMost))
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		return "", 0, fmt.Errorf("%s answered %s %s", u.Host, answer.Status, strings.Join(strings.Fields(string(said)), " "))
	}
	return u.Redacted(), st.Size(), nil
}

func target(name, address string) (*url.URL, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("%q: want http://HOST/PATH or https://HOST/PATH", address)
	}
	if u.Path == "" || strings.HasSuffix(u.Path, "/") {
		u.Path = path.Join("/", u.Path, name)
	}
	return u, nil
}

func client(fingerprint string) (*http.Client, error) {
	var config *tls.Config
	if fingerprint != "" {
		want, err := hex.DecodeString(strings.ReplaceAll(fingerprint, ":", ""))
		if err != nil || len(want) != sha256.Size {
			return nil, errors.New("want a fingerprint of 64 hexadecimal digits: the SHA-256 of the certificate")
		}
		config = &tls.Config{InsecureSkipVerify: true, VerifyConnection: func(s tls.ConnectionState) error {
			if have := sha256.Sum256(s.PeerCertificates[0].Raw); have != [sha256.Size]byte(want) {
				return fmt.Errorf("its certificate has the fingerprint %x", have)
			}
			return nil
		}}
	}
	return &http.Client{
		Transport: &http.Transport{DialContext: (&net.Dialer{Timeout: dialAtMost}).DialContext, TLSClientConfig: config,
			TLSHandshakeTimeout: dialAtMost, ResponseHeaderTimeout: answerAtMost, ExpectContinueTimeout: time.Second},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// plain leaves the URL, which may have a password, out of an error.
func plain(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
