package ng

import (
	"bytes"
	"testing"
)

// FuzzBlank blanks whatever is an NG message: it stays one, as long as it was, with the
// same command and call, and blanking it again changes nothing.
func FuzzBlank(f *testing.F) {
	f.Add([]byte("1 d7:command5:offer8:passwordd1:ai-17e1:bl6:secretee3:sdp23:a=crypto:1 x inline:abce"))
	f.Add([]byte("1 d7:command5:offer8:password9:gehei"))
	f.Add([]byte("1 d6:result2:ok3:sdp14:k=a\r\nK=b\r\nk=c3:keyli1e2:xyee"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var v, w View
		if v.Parse(b) != nil {
			return
		}
		before := bytes.Clone(b)
		v.Blank()
		if err := w.Parse(b); !v.Cut && (err != nil || w.Length != v.Length || w.Cut) {
			t.Fatalf("%q became %q", before, b)
		}
		once := bytes.Clone(b)
		if w.Parse(b) == nil && !v.Cut {
			w.Blank()
		}
		if !bytes.Equal(b, once) {
			t.Fatalf("%q, and again %q", once, b)
		}
	})
}
