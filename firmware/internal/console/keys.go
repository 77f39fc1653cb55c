package console

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// key is what was typed: a printable character, or one of those below.
type key rune

// Keys that are no characters. They lie outside of Unicode.
const (
	keyEnter key = unicode.MaxRune + 1 + iota
	keyBackspace
	keyDelete
	keyTab
	keyLeft
	keyRight
	keyUp
	keyDown
	keyHome
	keyEnd
	keyKillEnd   // ^K
	keyKillLine  // ^U
	keyKillWord  // ^W
	keyInterrupt // ^C
	keyEOF       // ^D
	keyRedraw    // ^L
	keyLiteral   // ^V: the next one is taken as it is
	keySize      // the terminal said how large it is
)

// decoder makes keys of octets. The zero decoder stands between keys.
type decoder struct {
	state  decoderState
	params [16]byte // of a control sequence, as far as they fit
	n      int
	utf    [utf8.UTFMax]byte
	have   int  // octets of utf
	cr     bool // the last octet was CR: an LF belongs to it

	rows, columns int // what the last keySize said
}

type decoderState uint8

const (
	between decoderState = iota
	escaped              // after ESC
	control              // after CSI
	shifted              // after ESC O: one more octet
)

// next takes an octet; ok says that it ends a key.
func (d *decoder) next(c byte) (k key, ok bool) {
	wasCR := d.cr
	d.cr = false
	switch d.state {
	case escaped:
		return d.escape(c)
	case shifted:
		d.state = between
		return cursor(c)
	case control:
		return d.control(c)
	}
	if d.have > 0 {
		if c&0xc0 == 0x80 {
			return d.rune(c)
		}
		d.have = 0 // the character before is not whole: it is passed over
	}
	switch {
	case c >= utf8.RuneSelf:
		return d.rune(c)
	case c == 0x1b:
		d.state = escaped
		return 0, false
	case c == '\r':
		d.cr = true
		return keyEnter, true
	case c == '\n' && wasCR:
		return 0, false
	case c >= ' ' && c != 0x7f:
		return key(c), true
	}
	k = controls[min(c, 0x20)]
	return k, k != 0
}

// controls are what the octets below a space mean; the last is DEL, as next asks
// for it.
var controls = [0x21]key{1: keyHome, 2: keyLeft, 3: keyInterrupt, 4: keyEOF, 5: keyEnd, 6: keyRight, 8: keyBackspace, 9: keyTab, 10: keyEnter,
	11: keyKillEnd, 12: keyRedraw, 14: keyDown, 16: keyUp, 21: keyKillLine, 22: keyLiteral, 23: keyKillWord, 0x20: keyBackspace}

// rune takes an octet of a character in UTF-8.
func (d *decoder) rune(c byte) (key, bool) {
	d.utf[d.have] = c
	d.have++
	if !utf8.FullRune(d.utf[:d.have]) {
		return 0, false
	}
	r, _ := utf8.DecodeRune(d.utf[:d.have])
	d.have = 0
	return key(r), r != utf8.RuneError && unicode.IsPrint(r)
}

func (d *decoder) escape(c byte) (key, bool) {
	d.state = between
	switch c {
	case '[':
		d.state, d.n = control, 0
	case 'O':
		d.state = shifted
	case 0x1b:
		d.state = escaped
	}
	return 0, false // ESC and a letter is nothing that we know
}

// control takes an octet of a control sequence (ECMA-48 5.4).
func (d *decoder) control(c byte) (key, bool) {
	switch {
	case c >= 0x20 && c < 0x40:
		if d.n < len(d.params) {
			d.params[d.n] = c
		}
		d.n = min(d.n+1, len(d.params)+1)
		return 0, false
	case c < 0x40 || c > 0x7e: // no sequence at all
		d.state = between
		return d.next(c)
	}
	d.state = between
	if d.n > len(d.params) {
		return 0, false
	}
	params := string(d.params[:d.n])
	switch {
	case c == 't':
		return keySize, d.size(params)
	case c == '~':
		switch params {
		case "1", "7":
			return keyHome, true
		case "3":
			return keyDelete, true
		case "4", "8":
			return keyEnd, true
		}
		return 0, false
	}
	return cursor(c)
}

// size reads what a terminal says of its size.
func (d *decoder) size(params string) bool {
	f := strings.Split(params, ";")
	if len(f) != 3 || f[0] != "8" {
		return false
	}
	rows, err1 := strconv.ParseUint(f[1], 10, 12)
	columns, err2 := strconv.ParseUint(f[2], 10, 12)
	d.rows, d.columns = int(rows), int(columns)
	return err1 == nil && err2 == nil
}

// cursor returns the key that ends a sequence with c.
func cursor(c byte) (key, bool) {
	switch c {
	case 'A':
		return keyUp, true
	case 'B':
		return keyDown, true
	case 'C':
		return keyRight, true
	case 'D':
		return keyLeft, true
	case 'H':
		return keyHome, true
	case 'F':
		return keyEnd, true
	}
	return 0, false
}
