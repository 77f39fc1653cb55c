package ng

import "heptap/capture/mask"

// Blank puts stars in place of what AppendJSON masks, in the octets that v was
// parsed from, which are the caller's: octet for octet, so that the message stays
// one. Of an entry whose key names a secret each digit of an integer becomes 1,
// and each string in it, at whatever depth, stars. Of an entry that is cut more is
// blanked, never less.
func (v *View) Blank() {
	if len(v.Dictionary) > 0 {
		blankDict(v.Dictionary, 0, false)
	}
}

// blank blanks the secrets of the value at b[at], or all of it, and returns where
// it ends.
func blank(b []byte, at int, all bool) int {
	switch b[at] {
	case 'd':
		return blankDict(b, at, all)
	case 'l':
		for at++; at < len(b) && b[at] != 'e'; {
			at = blank(b, at, all)
		}
		return at + 1
	case 'i':
		digits, next, _ := integer(b, at)
		for i, d := range digits {
			if all && d != '-' {
				digits[i] = '1' // a 0 may not lead
			}
		}
		return next
	}
	s, next, _ := str(b, at)
	if all {
		mask.Blank(s)
	} else {
		mask.BlankMediaKeys(s)
	}
	return next
}

// blankDict does so with a dictionary.
func blankDict(b []byte, at int, all bool) int {
	e := entries{b: b, at: at + 1}
	for {
		start := e.at
		key, value, ok := e.next()
		if ok {
			blank(value, 0, all || mask.Secret(key))
			continue
		}
		if e.st == short {
			blankCut(b[start:], all)
		}
		return e.at
	}
}

// blankCut does so with the last entry of a dictionary, which is cut: all of its value
// if there may be others in it.
func blankCut(b []byte, all bool) {
	key, next, st := str(b, 0)
	if st != whole {
		return
	}
	if value := b[next:]; all || mask.Secret(key) || len(value) > 0 && !isDigit(value[0]) {
		mask.Blank(value)
	} else {
		mask.BlankMediaKeys(value)
	}
}
