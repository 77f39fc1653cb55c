package appliance

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"heptap/firmware/internal/config"
	"heptap/firmware/internal/durable"
)

// systemConfig is the file that a technician may put onto the system partition.
const systemConfig = "heptap.conf"

// systemTest is one by which a test has the box fail.
const systemTest = "heptap.test"

// settings are the configuration as it lies on the data partition.
type settings struct {
	dir string // on the data partition
	log *slog.Logger
}

func (s *settings) file() string     { return filepath.Join(s.dir, "heptap.conf") }
func (s *settings) imported() string { return filepath.Join(s.dir, "imported") }

// bring takes over a configuration that a technician has put onto the system
// partition, once for each text: what is changed on the box later is not undone at the next
// boot. A text with a mistake in it is refused, and what was there stays.
func (s *settings) bring(text []byte) error {
	sum := sha256.Sum256(text)
	mark := []byte(hex.EncodeToString(sum[:]) + "\n")
	if old, err := os.ReadFile(s.imported()); err == nil && bytes.Equal(old, mark) {
		return nil
	}
	if _, err := config.Parse(bytes.NewReader(text), systemConfig); err != nil {
		return fmt.Errorf("heptap.conf of the system partition is not taken over: %w", err)
	}
	if err := durable.Write(s.file(), text, 0o600); err != nil {
		return err
	}
	s.log.Info("configuration taken over from heptap.conf of the system partition")
	return durable.Write(s.imported(), mark, 0o600)
}

// load reads the configuration. Without one, ok is false.
func (s *settings) load() (cfg config.Config, ok bool, err error) {
	text, err := readAtMost(s.file(), config.MaxText+1)
	if errors.Is(err, fs.ErrNotExist) {
		return cfg, false, nil
	}
	if err == nil {
		cfg, err = config.Parse(bytes.NewReader(text), s.file())
	}
	return cfg, err == nil, err
}

// fromSystem reads files of the system partition, which is mounted for no longer
// than that, and read only. Those that are not there are left out.
func fromSystem(ctx context.Context, s *store, at string, names ...string) (map[string][]byte, error) {
	p, err := s.find(ctx, systemPartition)
	if err != nil {
		return nil, err
	}
	if err := s.kernel.Mount(p.device, at, "vfat", mountQuiet|mountReadOnly, ""); err != nil {
		return nil, err
	}
	texts := map[string][]byte{}
	for _, name := range names {
		text, rerr := readAtMost(filepath.Join(at, name), config.MaxText+1)
		switch {
		case rerr == nil:
			texts[name] = text
		case !errors.Is(rerr, fs.ErrNotExist):
			err = errors.Join(err, rerr)
		}
	}
	return texts, errors.Join(err, s.kernel.Unmount(at))
}

func readAtMost(name string, most int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(text)) > most {
		err = fmt.Errorf("%s: larger than %d octets", name, most)
	}
	return text, err
}

// testSwitch reads what a test wants of the box, a line each:
//
//	wedge TEXT       the probe's pipeline stops for ever at the first record that contains TEXT
//	trial GOOD MOST  a system that is on trial has these times instead of trialGood and trialMost
func (b *Box) testSwitch(text string) {
	for l := range strings.Lines(text) {
		l = strings.TrimSpace(l)
		if what, ok := strings.CutPrefix(l, "wedge "); ok {
			b.log.Error("THIS IS A TEST: heptap.test on the system partition has the probe get stuck", "at", what)
			b.wedge = []string{"-wedge", what}
		}
		if times := strings.Fields(l); len(times) == 3 && times[0] == "trial" {
			good, err := time.ParseDuration(times[1])
			most, merr := time.ParseDuration(times[2])
			if err == nil && merr == nil {
				b.log.Error("THIS IS A TEST: heptap.test on the system partition has other times for systems that are on trial", "good", good, "most", most)
				b.trial = trialTimes{good, most}
			}
		}
	}
}
