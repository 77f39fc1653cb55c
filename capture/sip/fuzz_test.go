package sip_test

import (
	"testing"

	"heptap/capture/sip"
)

// offset returns where the view s begins in b, or -1 when it is not inside.
func offset(b, s []byte) int {
	if len(s) == 0 {
		return 0
	}
	off := cap(b) - cap(s)
	if off < 0 || off+len(s) > len(b) || &b[off] != &s[0] {
		return -1
	}
	return off
}

func views(v *sip.View) [][]byte {
	via, branch := v.TopVia()
	return [][]byte{via, branch, v.Method, v.RequestURI, v.Reason, v.CallID, v.CSeqMethod, v.From, v.To, v.FromTag(), v.ToTag(), v.FromUser(),
		v.ToUser(), v.Via, v.Contact, v.ContentType, v.UserAgent, v.Server, v.ReasonHeader, v.SessionID,
		v.Headers, v.Body, v.SDP(), v.Part("message/sipfrag"), v.Header("max-forwards")}
}

func FuzzParse(f *testing.F) {
	f.Add(invite)
	f.Add(crlf("SIP/2.0 180 Ringing\nv: SIP/2.0/UDP a;branch=z9hG4bK1\nf:<sip:a@b>;tag=1\nt: \"x\" <sip:c@d>;tag=2\ni: 1\nCSeq: 1 INVITE\nl:0\n\n"))
	f.Add(crlf("INVITE sip:a SIP/2.0\nCall-ID: 1\nContent-Type: multipart/mixed;boundary=\"x\"\n\n--x\nContent-Type: application/sdp\n\nv=0\n--x--\n"))
	f.Add([]byte("A b SIP/2.0\nFrom : \"\\\"\n ;tag = \"x\n\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		sip.IsKeepAlive(b)
		var v sip.View
		err := v.Parse(b)
		if err == nil != (sip.Sniff(b) && err != sip.ErrHeaders) {
			t.Fatalf("Sniff %v, Parse: %v", sip.Sniff(b), err)
		}
		for i, s := range views(&v) {
			if offset(b, s) < 0 {
				t.Fatalf("view %d is not inside the message", i)
			}
		}
		if err != nil {
			if v.Length != 0 || v.Method != nil {
				t.Fatalf("%v, but %+v", err, v)
			}
			return
		}
		if v.IsRequest != (len(v.Method) > 0) || v.IsRequest && v.Status != 0 || v.Status > 999 {
			t.Fatalf("%+v", v)
		}
		if v.Length > len(b) || len(v.Body) > 0 && offset(b, v.Body)+len(v.Body) != v.Length {
			t.Fatalf("length %d of %d, body of %d", v.Length, len(b), len(v.Body))
		}
		// What Length says is one message: alone it reads the same.
		var alone sip.View
		if err := alone.Parse(b[:v.Length]); err != nil {
			t.Fatalf("first %d octets alone: %v", v.Length, err)
		}
		if string(alone.CallID) != string(v.CallID) || string(alone.Body) != string(v.Body) || alone.CSeq != v.CSeq {
			t.Fatalf("alone %+v\nin the buffer %+v", alone, v)
		}
	})
}
