package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"runtime"
	"time"

	"heptap/board"
	"heptap/buffer"
	"heptap/capture/record"
	"heptap/firmware/internal/collect"
	"heptap/firmware/internal/config"
	"heptap/firmware/internal/jetstream"
)

const decodeExamples = `  heptap decode calls.hep
  heptap replay -o - monday.pcap | heptap decode - | jq 'select(.type_name == "sip")'
`

func cmdDecode(ctx context.Context, e *env, args []string) error {
	fs := e.flags("decode", decodeExamples)
	if err := parse(fs, args); err != nil {
		return err
	}
	if fs.NArg() != 1 {
		return usagef("name one file, or - for standard input")
	}
	in := io.Reader(e.stdin)
	if name := fs.Arg(0); name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	}
	return e.withOutput("-", func(w io.Writer) error {
		st, err := collect.Decode(in, w)
		if st.Records > 0 {
			fmt.Fprintf(e.stderr, "heptap decode: %s\n", st)
		}
		return err
	})
}

const configExamples = `  heptap config            every option, its default and an example
  heptap config -check probe.conf
`

func cmdConfig(ctx context.Context, e *env, args []string) error {
	fs := e.flags("config", configExamples)
	usage := fs.Usage
	fs.Usage = func() {
		usage()
		fmt.Fprint(e.stdout, "\nA configuration is a list of these lines:\n\n")
		config.WriteReference(e.stdout)
	}
	check := fs.String("check", "", "check `FILE` and print what differs from the defaults")
	if err := parse(fs, args); err != nil {
		return err
	}
	if fs.NArg() != 0 {
		return usagef("unexpected %q", fs.Arg(0))
	}
	if *check == "" {
		return config.WriteReference(e.stdout)
	}
	c, err := config.Load(*check)
	if err != nil {
		return err
	}
	for _, w := range c.Warnings() {
		fmt.Fprintf(e.stderr, "%s: warning: %s\n", *check, w)
	}
	_, err = io.WriteString(e.stdout, config.Format(c))
	return err
}

const versionExamples = `  heptap version
  heptap version -boards
`

func cmdVersion(ctx context.Context, e *env, args []string) error {
	fs := e.flags("version", versionExamples)
	boards := fs.Bool("boards", false, "list the boards this binary knows")
	if err := parse(fs, args); err != nil {
		return err
	}
	if fs.NArg() != 0 {
		return usagef("unexpected %q", fs.Arg(0))
	}
	fmt.Fprintf(e.stdout, "heptap %s, commit %s, %s %s/%s\n", version, commit, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	if !*boards {
		return nil
	}
	for _, name := range board.Names() {
		d, err := board.Lookup(name)
		if err != nil {
			return err
		}
		fmt.Fprintf(e.stdout, "  %-16s %s%s\n", name, d.Title, untested(d))
	}
	return nil
}

// untested marks a board that no test has booted.
func untested(d board.Description) string {
	if d.BootTested {
		return ""
	}
	return " (not boot-tested)"
}

const spoolExamples = `  heptap spool ls /var/lib/heptap/spool.db
  heptap spool verify /var/lib/heptap/spool.db
  heptap spool export -o rest.hep /var/lib/heptap/spool.db
`

func cmdSpool(ctx context.Context, e *env, args []string) error {
	fs := e.flags("spool", spoolExamples)
	out := fs.String("o", "-", "export: write HEP packets to `FILE`, back to back; - for standard output")
	configFile := fs.String("config", "", "export: take node, agent id, profile and the like from `FILE`")
	if len(args) == 0 {
		return usagef("say what to do: ls, export or verify")
	}
	verb := args[0]
	if verb[0] == '-' {
		return errors.Join(parse(fs, args), usagef("say what to do first: ls, export or verify"))
	}
	if err := parse(fs, args[1:]); err != nil {
		return err
	}
	if fs.NArg() != 1 {
		return usagef("name one spool file")
	}
	err := error(nil)
	switch path := fs.Arg(0); verb {
	case "ls":
		err = spoolList(e, path)
	case "verify":
		err = spoolVerify(e, path)
	case "export":
		err = spoolExport(ctx, e, path, *out, *configFile)
	default:
		return usagef("unknown %q, want ls, export or verify", verb)
	}
	if errors.Is(err, buffer.ErrInUse) {
		return fmt.Errorf("%s: in use by the probe; stop it first, or work on a copy of the file", fs.Arg(0))
	}
	return err
}

func spoolList(e *env, path string) error {
	s, err := buffer.OpenReadOnly(path)
	if err != nil {
		return err
	}
	defer s.Close()
	st := s.Stats()
	fmt.Fprintf(e.stdout, "file      %d octets, %d in use\n", st.FileBytes, st.UsedBytes)
	for c := range record.NumClasses {
		fmt.Fprintf(e.stdout, "%-9s %8d records %12d octets held; %d shed, %d evicted, %d lost\n", c,
			st.Held[c].Records, st.Held[c].Bytes, st.Shed[c].Records, st.Evicted[c].Records, st.Lost[c].Records)
	}
	fmt.Fprintf(e.stdout, "sequence  %d to %d\n", st.First, st.Last)
	var own int64 // octets of records that were written
	for c := range st.Appended {
		own += st.Appended[c].Bytes - st.Shed[c].Bytes
	}
	fmt.Fprintf(e.stdout, "written   %d octets in %d commits", st.Written, st.Commits)
	if own > 0 {
		fmt.Fprintf(e.stdout, ", %.2f times the records'", float64(st.Written)/float64(own))
	}
	fmt.Fprintln(e.stdout)
	var first, last time.Time
	err = eachRecord(s, func(r *record.Record, _ []byte) error {
		at := time.Unix(0, r.Wall).UTC()
		if first.IsZero() {
			first = at
		}
		last = at
		return nil
	})
	if !first.IsZero() {
		fmt.Fprintf(e.stdout, "recorded  %s to %s\n", first.Format(time.RFC3339), last.Format(time.RFC3339))
	}
	q, qerr := s.Quarantined()
	for _, r := range q {
		fmt.Fprintf(e.stdout, "set aside %d (%d octets) at %s: %s\n", r.Seq, len(r.Data), r.Time.UTC().Format(time.RFC3339), r.Reason)
	}
	return errors.Join(err, qerr)
}

func spoolVerify(e *env, path string) error {
	r, err := buffer.Verify(path)
	if err != nil {
		return err
	}
	total := r.Held.Total()
	fmt.Fprintf(e.stdout, "%d sound records, %d octets, in %d commits; %d set aside\n", total.Records, total.Bytes, r.Commits, r.Quarantined)
	for _, p := range r.Problems {
		fmt.Fprintln(e.stdout, p)
	}
	if !r.OK() {
		return fmt.Errorf("%s: %d problems; 'heptap spool export' writes what is sound", path, len(r.Problems)+r.More)
	}
	return nil
}

func spoolExport(ctx context.Context, e *env, path, out, configFile string) error {
	cfg := config.Default()
	if configFile != "" {
		var err error
		if cfg, err = config.Load(configFile); err != nil {
			return err
		}
	}
	profile, err := newProfile(cfg, nil)
	if err != nil {
		return err
	}
	var frame []byte
	skipped := 0
	var report buffer.Report
	err = e.withOutput(out, func(w io.Writer) error {
		var err error
		report, err = buffer.Salvage(path, func(entry buffer.Entry) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			var err error
			if frame, err = profile.Encode(frame[:0], entry.Data); err != nil {
				skipped++
				return nil
			}
			_, err = w.Write(frame)
			return err
		})
		return err
	})
	switch {
	case err != nil:
		return err
	case !report.OK():
		return fmt.Errorf("%s: %d problems, the first: %s; what is sound was written", path, len(report.Problems)+report.More, report.Problems[0])
	case skipped > 0:
		return fmt.Errorf("%d records could not be made into HEP packets", skipped)
	}
	return nil
}

// eachRecord walks a spool from its first record on.
func eachRecord(s *buffer.Spool, f func(r *record.Record, b []byte) error) error {
	var r record.Record
	buf := make([]byte, 0, 1<<20)
	for from := uint64(0); ; {
		entries, _, err := s.Read(from, cap(buf), buf[:0])
		if err != nil || len(entries) == 0 {
			return err
		}
		for _, entry := range entries {
			from = entry.Seq + 1
			if err := record.Parse(entry.Data, &r); err != nil {
				continue
			}
			if err := f(&r, entry.Data); err != nil {
				return err
			}
		}
	}
}

const collectExamples = `  heptap collect -json
  heptap collect -tcp 0.0.0.0:9060 -udp 0.0.0.0:9060 -o calls.hep
  heptap collect -tls 0.0.0.0:9061 -tls-certificate hep.pem -tls-key hep.key
  heptap collect -nats nats://nats.example.net:4222 -stream HEP -durable archive -o calls.hep
`

func cmdCollect(ctx context.Context, e *env, args []string) error {
	fs := e.flags("collect", collectExamples)
	udp := fs.String("udp", "127.0.0.1:9060", "listen for HEP over UDP on `ADDR`; empty for not at all")
	tcp := fs.String("tcp", "127.0.0.1:9060", "listen for HEP over TCP on `ADDR`; empty for not at all")
	secure := fs.String("tls", "", "listen for HEP over TLS on `ADDR`")
	certificate := fs.String("tls-certificate", "", "certificate that TLS shows, PEM `FILE`")
	key := fs.String("tls-key", "", "its private key, PEM `FILE`")
	clientCA := fs.String("tls-client-ca", "", "clients must show a certificate signed by one of these, PEM `FILE`")
	stream := jetstream.Source{Unreadable: func(err error) bool { return errors.Is(err, collect.ErrPacket) }}
	fs.StringVar(&stream.URL, "nats", "", "read from a stream of NATS JetStream instead, at `URL`, nats:// or tls://, with USER:PASSWORD@ or TOKEN@ in it; -udp and -tcp listen as well if they are given")
	fs.StringVar(&stream.Stream, "stream", "", "the stream's `NAME`")
	fs.StringVar(&stream.Durable, "durable", "heptap", "`NAME` of the consumer: the server knows by it what was read, and those with one name share the work")
	fs.StringVar(&stream.Subject, "subject", "", "read only messages of this `SUBJECT`, which may have wildcards, such as heptap.*.*.3")
	fs.StringVar(&stream.Credentials, "nats-credentials", "", "`FILE` with a JWT and the seed of its key, as nsc makes it")
	fs.StringVar(&stream.CA, "nats-ca", "", "the NATS server's certificate must be signed by one of these, PEM `FILE`")
	out := fs.String("o", "", "append the HEP packets to `FILE`, back to back")
	asJSON := fs.Bool("json", false, "print each packet as a line of JSON; the default without -o")
	if err := parse(fs, args); err != nil {
		return err
	}
	if fs.NArg() != 0 {
		return usagef("unexpected %q", fs.Arg(0))
	}
	log := slog.New(slog.NewTextHandler(e.stderr, nil))
	cfg := collect.Config{UDP: *udp, TCP: *tcp, TLS: *secure, Certificate: *certificate, Key: *key, ClientCA: *clientCA, Log: log}
	if (*secure != "") != (*certificate != "" && *key != "") {
		return usagef("-tls needs -tls-certificate and -tls-key, and they need it")
	}
	if (stream.URL != "") != (stream.Stream != "") {
		return usagef("-nats and -stream need each other")
	}
	if stream.URL != "" {
		stream.Log, cfg.Source = log, &stream
		given := map[string]bool{}
		fs.Visit(func(f *flag.Flag) { given[f.Name] = true })
		if !given["udp"] {
			cfg.UDP = ""
		}
		if !given["tcp"] {
			cfg.TCP = ""
		}
	}
	if *asJSON || *out == "" {
		cfg.JSON = e.stdout
	}
	if *out != "" {
		f, removed, err := collect.OpenFile(*out)
		if err != nil {
			return err
		}
		defer f.Close()
		if removed > 0 {
			log.Warn("the file ended in part of a frame, which was cut off", "file", *out, "bytes", removed)
		}
		cfg.Out = f
	}
	c, err := collect.Listen(cfg)
	if err != nil {
		return err
	}
	var at []any
	for _, l := range []struct {
		name string
		addr netip.AddrPort
	}{{"udp", c.UDPAddr()}, {"tcp", c.TCPAddr()}, {"tls", c.TLSAddr()}} {
		if l.addr.IsValid() {
			at = append(at, l.name, l.addr.String())
		}
	}
	if stream.URL != "" {
		at = append(at, "stream", stream.Stream, "durable", stream.Durable)
	}
	log.Info("collecting", at...)
	err = c.Run(ctx)
	st := c.Stats()
	log.Info("collected", "frames", c.Frames(), "bad_frames", st.BadFrames()+c.BadPackets())
	if seqs := c.Sequences(); seqs.Records > 0 {
		log.Info("by their numbers", "records", seqs.Records, "duplicates", seqs.Duplicates, "missing", seqs.Missing, "runs", seqs.Runs)
	}
	return err
}
