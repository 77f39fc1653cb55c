package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"strings"
	"unicode/utf8"

	"heptap/capture/record"
	"heptap/firmware/internal/listing"
	"heptap/firmware/internal/recent"
)

// followOptions are what `replay -follow` takes.
type followOptions struct {
	id     string
	json   bool
	memory int64 // MiB
	depth  int
}

func (o *followOptions) flags(fs *flag.FlagSet) {
	fs.StringVar(&o.id, "follow", "", "list every record linked with `ID`, a Call-ID or the id of a connection, a query and the like, by time")
	fs.BoolVar(&o.json, "json", false, "with -follow: one JSON object a line")
	fs.IntVar(&o.depth, "follow-depth", 3, "with -follow: go on to the ids that its records name, to those that theirs name, and so on, `N` times")
	fs.Int64Var(&o.memory, "follow-memory", 256, "with -follow: hold at most so many `MIB` of records; when there are more the oldest are let go")
}

func (o *followOptions) check(fs *flag.FlagSet) (err error) {
	fs.Visit(func(f *flag.Flag) {
		switch {
		case f.Name == "follow" && o.id == "":
			err = usagef("-follow: the id is empty")
		case o.id == "" && (f.Name == "json" || strings.HasPrefix(f.Name, "follow-")):
			err = usagef("-%s is about -follow, which is missing", f.Name)
		}
	})
	switch {
	case err != nil:
		return err
	case o.memory < 1 || o.memory > 64<<10:
		return usagef("-follow-memory: want 1 to 65536 MiB")
	case o.depth < 0:
		return usagef("-follow-depth: want 0 or more")
	}
	return nil
}

// maxHubs is how many hubs are named.
const maxHubs = 5

// follow has run fill a store, and lists what is linked with the id; after a run
// that failed, what came before it failed.
func (e *env) follow(o *followOptions, run func(take func(*record.Record)) error) error {
	store := recent.New(recent.Config{Bytes: o.memory << 20})
	err := run(store.Add)
	st := store.Stats()
	if st.Evicted > 0 {
		fmt.Fprintf(e.stderr, "heptap replay: the oldest %d of %d records were not looked at: %d MiB were not enough for them; see -follow-memory\n",
			st.Evicted, st.Added, o.memory)
	}
	if st.Refused > 0 {
		fmt.Fprintf(e.stderr, "heptap replay: %d records were too large to be looked at\n", st.Refused)
	}
	a := store.Follow(0, []byte(o.id), recent.Limits{Depth: o.depth, Records: math.MaxInt32, Bytes: math.MaxInt64})
	if len(a.Found) == 0 {
		return errors.Join(err, fmt.Errorf("no record of %d names %q", st.Records, o.id))
	}
	for i, hub := range a.Hubs {
		if i == maxHubs {
			fmt.Fprintf(e.stderr, "heptap replay: nor %d other ids\n", len(a.Hubs)-i)
			break
		}
		fmt.Fprintf(e.stderr, "heptap replay: too much comes together in %v %s, it was not followed; -follow %[2]s begins there\n", hub.Type, listing.Printable(hub.Text))
	}
	w := bufio.NewWriterSize(e.stdout, 64<<10)
	list := listing.Write
	if o.json {
		list = listJSON
	}
	return errors.Join(err, list(w, a.Found), w.Flush())
}

// followLine is a record as -json shows it. The first keys are those of heptap
// decode.
type followLine struct {
	Type     record.Type  `json:"type"`
	TypeName string       `json:"type_name"`
	Time     string       `json:"time"`
	Proto    uint8        `json:"proto"`
	Src      string       `json:"src"`
	Dst      string       `json:"dst"`
	VLAN     *uint16      `json:"vlan,omitempty"`
	Primary  string       `json:"primary"`
	Links    []followLink `json:"links,omitempty"`
	Flags    []string     `json:"flags,omitempty"`
	Record   uint64       `json:"record"` // its number in the replay
	Depth    int          `json:"depth"`
	Via      followLink   `json:"via"`            // the id by which it was found, and how it names it
	From     uint64       `json:"from,omitempty"` // the record that led to that id
	Led      *followLink  `json:"led,omitempty"`  // how that one names it
	How      string       `json:"how"`            // the weakest link on the way
	Score    *uint8       `json:"score,omitempty"`
	Payload  *string      `json:"payload,omitempty"`
	Base64   []byte       `json:"payload_b64,omitempty"`
}

// followLink is an id and how it is named.
type followLink struct {
	Type  string `json:"type"`
	ID    string `json:"id"`
	How   string `json:"how"`
	Score *uint8 `json:"score,omitempty"`
}

func linkLine(t record.Type, id string, trust recent.Trust) followLink {
	return followLink{Type: t.String(), ID: id, How: trust.How.String(), Score: scoreOf(trust)}
}

// scoreOf returns the score where it means something.
func scoreOf(t recent.Trust) *uint8 {
	if t.How != record.Inferred {
		return nil
	}
	return &t.Score
}

func listJSON(w io.Writer, found []recent.Found) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	for i := range found {
		if err := enc.Encode(lineOf(&found[i])); err != nil {
			return err
		}
	}
	return nil
}

func lineOf(f *recent.Found) *followLine {
	l := &followLine{Type: f.Type, TypeName: f.Type.String(), Time: listing.At(&f.Record), Proto: f.Flow.Proto, Src: listing.End(f.Flow.Src), Dst: listing.End(f.Flow.Dst),
		Primary: string(f.Primary), Flags: listing.Flags(f.Flags), Record: f.Seq, Depth: f.Depth, Via: linkLine(f.Via.Type, f.Via.Text, f.Named),
		From: f.From, How: f.Path.How.String(), Score: scoreOf(f.Path)}
	if f.HasVLAN {
		l.VLAN = &f.VLAN
	}
	for _, k := range f.Links {
		l.Links = append(l.Links, linkLine(k.Type, string(k.ID), recent.Trust{How: k.How, Score: k.Score}))
	}
	if f.From != 0 {
		led := linkLine(f.Via.Type, f.Via.Text, f.Led)
		l.Led = &led
	}
	if utf8.Valid(f.Payload) {
		text := string(f.Payload)
		l.Payload = &text
	} else {
		l.Base64 = f.Payload
	}
	return l
}
