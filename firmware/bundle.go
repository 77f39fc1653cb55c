package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"heptap/board"
	"heptap/firmware/internal/bundle"
)

const bundleExamples = `  heptap bundle key update.key               make a private key; keep it safe
  heptap bundle public update.key            what boxes trust; several files may be put behind one another
  heptap bundle sign -key update.key -board x86-64-uefi -version v1.2.0 -built 1790000000 -o new.update system.efi
  heptap bundle show new.update
  heptap bundle show -trust update.pub new.update

scripts/image signs the update that it makes with each image. To replace the key: release an
update, signed by the old one, whose box trusts both; sign the next one by the new key.
`

func cmdBundle(ctx context.Context, e *env, args []string) error {
	fs := e.flags("bundle", bundleExamples)
	var keys []string
	fs.Func("key", "sign: `FILE` of a private key; give it again for another signature", func(s string) error {
		keys = append(keys, s)
		return nil
	})
	var h bundle.Header
	fs.StringVar(&h.Board, "board", "", "sign: the board, `NAME`, that it is for")
	fs.StringVar(&h.Version, "version", "", "sign: the release")
	fs.Int64Var(&h.Built, "built", 0, "sign: `SECONDS` since 1970 of the commit it is built from")
	fs.IntVar(&h.Data, "data", dataFormat, "sign: the newest format of the data partition that it reads")
	out := fs.String("o", "", "sign: write the update to `FILE`")
	trust := fs.String("trust", "", "show: fail unless a public key in `FILE` has signed it")
	if len(args) == 0 {
		return usagef("say what to do: key, public, sign or show")
	}
	verb := args[0]
	if verb == "" || verb[0] == '-' {
		return errors.Join(parse(fs, args), usagef("say what to do first: key, public, sign or show"))
	}
	if err := parse(fs, args[1:]); err != nil {
		return err
	}
	if fs.NArg() != 1 {
		return usagef("name one file")
	}
	switch file := fs.Arg(0); verb {
	case "key":
		return bundleKey(e, file)
	case "public":
		return bundlePublic(e, file)
	case "sign":
		if *out == "" || len(keys) == 0 {
			return usagef("want -key FILE and -o FILE")
		}
		return bundleSign(e, h, file, *out, keys)
	case "show":
		return bundleShow(e, file, *trust)
	}
	return usagef("unknown %q, want key, public, sign or show", verb)
}

// dataFormat is the newest format of the data partition that this release reads:
// of the spool, of the configuration and of what PID 1 keeps there.
const dataFormat = 1

// bundleKey makes a private key in a new file.
func bundleKey(e *env, file string) error {
	text, err := bundle.NewKey()
	if err != nil {
		return err
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Sync(), f.Close())
}

func privateKey(file string) (ed25519.PrivateKey, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	key, err := bundle.ParsePrivate(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return key, nil
}

func bundlePublic(e *env, file string) error {
	key, err := privateKey(file)
	if err != nil {
		return err
	}
	text, err := bundle.FormatPublic(bundle.PublicOf(key))
	if err == nil {
		_, err = e.stdout.Write(text)
	}
	return err
}

func bundleSign(e *env, h bundle.Header, system, out string, files []string) error {
	if _, err := board.Lookup(h.Board); err != nil {
		return err
	}
	var keys []ed25519.PrivateKey
	for _, file := range files {
		key, err := privateKey(file)
		if err != nil {
			return err
		}
		keys = append(keys, key)
	}
	in, err := os.Open(system)
	if err != nil {
		return err
	}
	defer in.Close()
	f, err := os.Create(out)
	if err != nil {
		return err
	}
	h, err = bundle.Sign(f, h, in, keys...)
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(out))
	}
	fmt.Fprintf(e.stdout, "%s: version %s for %s, %d octets\n", out, h.Version, h.Board, h.Size)
	return nil
}

// bundleShow says what an update is, and whether it is whole. Without keys that are
// trusted it takes the update's word for who has signed it.
func bundleShow(e *env, file, trust string) error {
	var trusted []ed25519.PublicKey
	if trust != "" {
		var err error
		if trusted, err = bundle.ReadPublic(trust); err != nil {
			return err
		}
	}
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	r, err := bundle.NewReader(f, trusted)
	signed := "good, by key " + signer(r)
	if errors.Is(err, bundle.ErrUntrusted) && trust == "" {
		var names []bundle.KeyID
		if _, serr := f.Seek(0, io.SeekStart); serr != nil {
			return serr
		}
		r, names, err = bundle.Unverified(f)
		signed = fmt.Sprintf("NOT CHECKED (no -trust); it says by key %v", names)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	h := r.Header
	fmt.Fprintf(e.stdout, "board      %s\nversion    %s\nbuilt      %s\ndata       %d\nsystem     %d octets, SHA-256 %x\nsignature  %s\n", h.Board, h.Version,
		time.Unix(h.Built, 0).UTC().Format(time.RFC3339), h.Data, h.Size, h.SHA256, signed)
	if _, err := io.Copy(io.Discard, r); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

func signer(r *bundle.Reader) string {
	if r == nil {
		return ""
	}
	return r.Signer.String()
}
