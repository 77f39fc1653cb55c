package main

import (
	"bytes"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"heptap/capture/capturetest"
	"heptap/capture/record"
	"heptap/capture/sip"
	"heptap/firmware/internal/config"
	"heptap/hep"
)

// TestCapturesWithPrivacy replays every shared capture with privacy and without.
// The records are the same, with the same ids, lengths and SDP; the people in
// them are nowhere in what is sent.
func TestCapturesWithPrivacy(t *testing.T) {
	dir, files := capturetest.CaptureFiles(t)
	people, messages, least := 0, 0, 100
	if raceDetector { // nearly all of each file's time is the stretching of the secret; scripts/test has all of them without it
		files, least = everyFourth(files), 25
	}
	for _, file := range files {
		if file == damagedCapture {
			continue
		}
		path := filepath.Join(dir, file)
		open := replayPathsWith(t, func(*config.Config) {}, path)
		hidden := replayPathsWith(t, func(c *config.Config) {
			c.Privacy = config.Privacy{Secret: "a secret for tests only", Bodies: true, Credentials: true}
		}, path)
		was, is := slices.Concat(open.sip, open.other), slices.Concat(hidden.sip, hidden.other)
		if len(was) != len(is) {
			t.Errorf("%s: %d records, with privacy %d", file, len(was), len(is))
			continue
		}
		names := usersOf(open.sip)
		for _, name := range noNames[file] {
			delete(names, name)
		}
		people += len(names)
		for i := range was {
			messages++
			if a, b := apartFromPayload(was[i]), apartFromPayload(is[i]); a != b {
				t.Errorf("%s: record %d is %s, with privacy %s", file, i, a, b)
			}
			text := withoutIDs(is[i])
			for name := range names {
				if hasWord(text, name) {
					t.Errorf("%s: %q is still in record %d:\n%s", file, name, i, is[i].Payload())
					delete(names, name) // once is enough
				}
			}
		}
	}
	t.Logf("%d names and numbers, %d records", people, messages)
	if people < least {
		t.Errorf("only %d names and numbers were looked for", people)
	}
}

func everyFourth(all []string) (some []string) {
	for i := 0; i < len(all); i += 4 {
		some = append(some, all[i])
	}
	return some
}

// noNames are user parts that stand somewhere else, too, in messages made to be wrong.
var noNames = map[string][]string{
	"ntop+nDPI/fuzz-2006-06-26-2594.pcap": {"816666"},           // From: "arik" <sip>816666@...
	"corpora/protos-c07-even.pcap.gz":     {"aaaaaaaaaaaaaaaa"}, // the name of a parameter
}

// usersOf returns the users in From and To, in lower case, that are long enough to be
// told from other words.
func usersOf(frames []hep.View) map[string]bool {
	out := map[string]bool{}
	for _, f := range frames {
		var v sip.View
		if v.Parse(f.Payload()) != nil {
			continue
		}
		for _, u := range [][]byte{v.FromUser(), v.ToUser()} {
			if name := strings.ToLower(string(u)); len(name) > 4 && name != "anonymous" && name != "unavailable" {
				out[name] = true
			}
		}
	}
	return out
}

// hasWord reports whether text, in lower case, has a word in it.
func hasWord(text []byte, word string) bool {
	part := func(i int) bool {
		return i >= 0 && i < len(text) && (text[i] == '.' || '0' <= text[i] && text[i] <= '9' || 'a' <= text[i] && text[i] <= 'z')
	}
	for from := 0; ; from++ {
		i := bytes.Index(text[from:], []byte(word))
		if i < 0 {
			return false
		}
		if from += i; !part(from-1) && !part(from+len(word)) {
			return true
		}
	}
}

// withoutIDs returns the payload in lower case without the ids of its record, which may
// hold what they like.
func withoutIDs(v hep.View) []byte {
	out := v.Payload()
	if id := v.Correlation(); len(id) > 0 {
		out = bytes.ReplaceAll(out, id, nil)
	}
	if v.Type() == uint8(record.SIP) {
		out = ownIDs.ReplaceAll(out, nil)
	}
	return bytes.ToLower(out)
}

// ownIDs is what in SIP belongs to machines.
var ownIDs = regexp.MustCompile(`(?im)^(Call-ID|i|Via|v|User-Agent|Server|Route|Record-Route)[ \t]*:.*$|;(tag|branch)=[^;\r\n]*`)

func apartFromPayload(v hep.View) string {
	return fmt.Sprintf("type %d, id %q, links %q, %v to %v, %d octets", v.Type(), v.Correlation(), v.Extra(), v.Src(), v.Dst(), len(v.Payload()))
}
