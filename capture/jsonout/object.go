package jsonout

import "strconv"

// AppendKey appends a member's name and colon, behind a comma if it is not the
// first of its object. name needs no escape. dst ends inside an object.
func AppendKey(dst []byte, name string) []byte {
	dst = append(append(appendComma(dst), '"'), name...)
	return append(dst, '"', ':')
}

// appendComma separates what comes from what is there, which its last octet
// tells.
func appendComma(dst []byte) []byte {
	if c := dst[len(dst)-1]; c != '{' && c != '[' {
		dst = append(dst, ',')
	}
	return dst
}

// Object appends members to B, which ends inside an object.
type Object struct{ B []byte }

// Key appends a member's name; its value is the caller's to append.
func (o *Object) Key(name string) { o.B = AppendKey(o.B, name) }

// Comma separates a value that is no member from what is there.
func (o *Object) Comma() { o.B = appendComma(o.B) }

// Open appends a member that is an object or an array, with its first bracket.
func (o *Object) Open(name string, bracket byte) { o.B = append(AppendKey(o.B, name), bracket) }

// Element begins an object in an array.
func (o *Object) Element() { o.B = append(appendComma(o.B), '{') }

// Close appends a bracket.
func (o *Object) Close(bracket byte) { o.B = append(o.B, bracket) }

// Uint appends a number.
func (o *Object) Uint(name string, n uint64) { o.B = strconv.AppendUint(AppendKey(o.B, name), n, 10) }

// Int appends a number.
func (o *Object) Int(name string, n int64) { o.B = strconv.AppendInt(AppendKey(o.B, name), n, 10) }

// Bool appends true or false.
func (o *Object) Bool(name string, b bool) { o.B = strconv.AppendBool(AppendKey(o.B, name), b) }

// Word appends a text of ours, which needs no escape.
func (o *Object) Word(name, s string) {
	o.B = append(append(append(AppendKey(o.B, name), '"'), s...), '"')
}

// Text appends octets of anybody's in the zero Style.
func (o *Object) Text(name string, s []byte) { o.B = AppendQuoted(AppendKey(o.B, name), s, 0) }
