package main

import (
	"math/rand/v2"

	"heptap/capture/capturetest"
	"heptap/capture/capturetest/conversation"
)

// generatedRow is a transport and what happens to it.
type generatedRow struct {
	name      string
	transport conversation.Transport
	cases     int
	changes   func(r *rand.Rand) []conversation.Change
}

// make returns case number seed of the row.
func (row generatedRow) make(seed uint64) *generatedCase {
	c := conversation.New(seed, row.transport)
	r := rand.New(rand.NewPCG(seed, 77))
	return &generatedCase{seed: seed, plain: c.Render(seed), changed: c.Render(seed, row.changes(r)...)}
}

// always returns the same changes every time.
func always(changes ...conversation.Change) func(*rand.Rand) []conversation.Change {
	return func(*rand.Rand) []conversation.Change { return changes }
}

// generatedRows are TestGenerated's: each change by itself on each transport
// that it applies to, the tunnels, and anything together.
func generatedRows() (rows []generatedRow) {
	add := func(name string, t conversation.Transport, n int, changes func(*rand.Rand) []conversation.Change) {
		rows = append(rows, generatedRow{t.String() + " " + name, t, cases(n), changes})
	}
	for t := range conversation.NumTransports {
		add("plain", t, 50, always())
		for _, c := range singleChanges() {
			if c.Applies(t) {
				add(c.String(), t, 50, always(c))
			}
		}
		add("cut, reordered and sent again", t, 100, always(conversation.Cut(), conversation.Resend(), conversation.Late(), conversation.Reorder()))
		add("fragments twice", t, 50, always(conversation.Fragment(100), conversation.Duplicate(100)))
		add("two ports, duplicated", t, 50, always(conversation.Duplicate(100), conversation.TwoPorts()))
		add("tunnel", t, 150, func(r *rand.Rand) []conversation.Change { return []conversation.Change{through(r)} })
		add("tunnel in a tunnel", t, 100, func(r *rand.Rand) []conversation.Change { return []conversation.Change{through(r), through(r)} })
		add("fragments in a tunnel", t, 50, func(r *rand.Rand) []conversation.Change {
			return []conversation.Change{conversation.Fragment(100), through(r)}
		})
		add("tunnel in fragments", t, 50, func(r *rand.Rand) []conversation.Change {
			return []conversation.Change{through(r), conversation.Fragment(100)}
		})
		add("duplicates in a tunnel", t, 50, func(r *rand.Rand) []conversation.Change {
			return []conversation.Change{conversation.Duplicate(100), through(r)}
		})
		rows = append(rows, anything(t, cases(250), false), anything(t, cases(50), true))
	}
	return rows
}

// singleChanges are all changes that keep the meaning and can be alone.
func singleChanges() []conversation.Change {
	return append(streamChanges(), conversation.Pad(), conversation.Fragment(100), conversation.Fragment(30),
		conversation.Duplicate(100), conversation.Duplicate(20), conversation.TwoPorts())
}

// streamChanges are those of the layers above frames.
func streamChanges() []conversation.Change {
	return []conversation.Change{conversation.KeepAlives(), conversation.Idle(), conversation.SeqWrap(), conversation.MidStream(), conversation.Cut(),
		conversation.WebFragments(), conversation.WebControl(), conversation.Deflate(true), conversation.Deflate(false),
		conversation.Resend(), conversation.Late(), conversation.Reorder()}
}

// through draws a tunnel.
func through(r *rand.Rand) conversation.Change {
	return conversation.Through(capturetest.Kind(r.IntN(int(capturetest.NumKinds))))
}

// anything mixes all changes, as the network, a mirror and the way to the
// probe would one after the other.
func anything(t conversation.Transport, n int, two bool) generatedRow {
	name := t.String() + " anything"
	if two {
		name += " on two ports"
	}
	return generatedRow{name, t, n, func(r *rand.Rand) []conversation.Change {
		var all []conversation.Change
		maybe := func(percent int, c conversation.Change) {
			if r.IntN(100) < percent {
				all = append(all, c)
			}
		}
		for _, c := range streamChanges() {
			maybe(30, c)
		}
		// With two ports, what is fragmented of a stream and what is not is counted
		// in two places.
		fragment := conversation.Fragment
		if two {
			fragment = conversation.FragmentSignalling
		}
		maybe(50, conversation.Pad())
		maybe(30, fragment(1+r.IntN(100)))
		maybe(40, conversation.Duplicate(1+r.IntN(100)))
		maybe(40, through(r))
		maybe(20, through(r))
		maybe(20, fragment(1+r.IntN(100)))
		if two {
			all = append(all, conversation.TwoPorts())
		}
		return all
	}}
}
