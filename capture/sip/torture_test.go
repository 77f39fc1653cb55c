package sip_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"heptap/capture/sip"
)

// short cuts what would make the table below unreadable.
func short(b []byte) string {
	if len(b) > 24 {
		return string(b[:24]) + "~"
	}
	return string(b)
}

// outcome writes what a view found: method or status, Call-ID, CSeq, the users
// and tags of From and To, the branch, the octets of body and SDP, and last
// what is odd about the body.
func outcome(b []byte) string {
	var v sip.View
	if err := v.Parse(b); err != nil {
		return err.Error()
	}
	what := short(v.Method)
	if !v.IsRequest {
		what = fmt.Sprint(v.Status)
	}
	_, branch := v.TopVia()
	s := fmt.Sprintf("%s %s %d/%s %s;%s %s;%s %s %d/%d", what, short(v.CallID), v.CSeq, short(v.CSeqMethod), short(v.FromUser()), short(v.FromTag()),
		short(v.ToUser()), short(v.ToTag()), short(branch), len(v.Body), len(v.SDP()))
	switch {
	case v.HeadersCut:
		s += " headers cut"
	case v.BodyCut:
		s += " body cut"
	case v.ContentLength < 0:
		s += " no length"
	case v.Length < len(b):
		s += fmt.Sprintf(" %d over", len(b)-v.Length)
	}
	return s
}

// torture is every message of RFC 4475 and RFC 5118 and what the view makes of
// it. A probe shows what was on the wire, so most of what a user agent must
// refuse is read here; refused are only another version, a status of ten
// digits and a start line without a version.
var torture = map[string]string{
	"rfc4475/badaspec.dat":                  "OPTIONS badaspec.sdf0234n2nds0a0~ 3923239/OPTIONS a.g.bell;433423 t.watson; z9hG4bKkdju43234 0/0",
	"rfc4475/badbranch.dat":                 "OPTIONS badbranch.sadonfo23i420j~ 8/OPTIONS caller;33242 user; z9hG4bK 0/0",
	"rfc4475/baddate.dat":                   "INVITE baddate.239423mnsadf3j23~ 1392934/INVITE caller;2234923 user; z9hG4bKkdjuw 150/150",
	"rfc4475/baddn.dat":                     "OPTIONS baddn.31415@c.example.co~ 3923239/OPTIONS a.g.bell;43 t.watson; z9hG4bKkdjuw 0/0 headers cut",
	"rfc4475/badinv01.dat":                  "INVITE badinv01.0ha0isndaksdjas~ 8/INVITE caller;134161461246 j.user;  152/152",
	"rfc4475/badvers.dat":                   "sip: no start line",
	"rfc4475/bcast.dat":                     "200 bcast.0384840201234ksdfa~ 35/INVITE user;11141343 user;2229 z9hG4bK1324923 154/154",
	"rfc4475/bext01.dat":                    "OPTIONS bext01.0ha0isndaksdj 8/OPTIONS caller;242etr j_user; z9hG4bKkdjuw 0/0",
	"rfc4475/bigcode.dat":                   "sip: no start line",
	"rfc4475/clerr.dat":                     "INVITE clerr.0ha0isndaksdjweiaf~ 8/INVITE caller;93942939o2 j.user; z9hG4bK-39234-23523 154/154 body cut",
	"rfc4475/cparam01.dat":                  "REGISTER cparam01.70710@saturn.ex~ 2/REGISTER watson;DkfVgjkrtMwaerKKpe watson; z9hG4bKkdjuw 0/0",
	"rfc4475/cparam02.dat":                  "REGISTER cparam02.70710@saturn.ex~ 3/REGISTER watson;838293 watson; z9hG4bKkdjuw 0/0",
	"rfc4475/dblreq.dat":                    "REGISTER dblreq.0ha0isndaksdj99sd~ 8/REGISTER j.user;43251j3j324 j.user; z9hG4bKkdjuw23492 0/0 450 over",
	"rfc4475/esc01.dat":                     "INVITE esc01.239409asdfakjkn23o~ 234234/INVITE I%20have%20spaces;938 %75se%72; z9hG4bKkdjuw 150/150",
	"rfc4475/esc02.dat":                     "RE%47IST%45R esc02.asdfnqwo34rq23i34j~ 29344/RE%47IST%45R resource;f232jadfj23 resource; z9hG4bK209%fzsnel234 0/0",
	"rfc4475/escnull.dat":                   "REGISTER escnull.39203ndfvkjdasfk~ 14398234/REGISTER null-%00-null;839923423 null-%00-null; z9hG4bKkdjuw 0/0",
	"rfc4475/escruri.dat":                   "INVITE escruri.23940-asdfhj-aje~ 149209342/INVITE caller;341518 user; z9hG4bKkdjuw 150/150",
	"rfc4475/insuf.dat":                     "INVITE  193942/INVITE ; ; z9hG4bKkdj.insuf 152/152",
	"rfc4475/intmeth.dat":                   "!interesting-Method01234~ intmeth.word%ZK-!.*_+'@w~ 139122385/!interesting-Method01234~ mundane;_token~1'+`*%!-. 1_unusual.URI~(to-be!sur~; z9hG4bK-.!%66*_+`'~ 0/0",
	"rfc4475/inv2543.dat":                   "INVITE inv2543.1717@ift.client.~ 56/INVITE +13035551111; +16505552222;  105/105 no length",
	"rfc4475/invut.dat":                     "INVITE invut.0ha0isndaksdjadsfi~ 235448/INVITE caller;8392034 j.user; z9hG4bKkdjuw 40/0",
	"rfc4475/longreq.dat":                   "INVITE longreq.onereallyreallyr~ 3882340/INVITE amazinglylongcallernamea~;129829829829829829829829~ user;  150/150",
	"rfc4475/ltgtruri.dat":                  "INVITE ltgtruri.1@192.0.2.5 1/INVITE caller;39291 user;  159/159",
	"rfc4475/lwsdisp.dat":                   "OPTIONS lwsdisp.1234abcd@funky.e~ 60/OPTIONS caller;323 user; z9hG4bKkdjuw 0/0",
	"rfc4475/lwsruri.dat":                   "INVITE lwsruri.asdfasdoeoi2323-~ 2130706432/INVITE caller;231413434 user;3xfe-9921883-z9f z9hG4bKkdjuw2395 159/159",
	"rfc4475/lwsstart.dat":                  "INVITE lwsstart.dfknq234oi24309~ 1893884/INVITE caller;8814 user; z9hG4bKkdjuw3923 150/150",
	"rfc4475/mcl01.dat":                     "OPTIONS mcl01.fhn2323orihawfdoa3~ 15932/OPTIONS other;3923942 user; z9hG4bK293423 13/0 54 over",
	"rfc4475/mismatch01.dat":                "OPTIONS mismatch01.dj0234sxdfl3 8/INVITE caller;34525 j.user; z9hG4bKkdjuw 0/0",
	"rfc4475/mismatch02.dat":                "NEWMETHOD mismatch02.dj0234sxdfl3 8/INVITE caller;34525 j.user; z9hG4bKkdjuw 138/138",
	"rfc4475/mpart01.dat":                   "MESSAGE 3d9485ad0c49859b@Zmx1ZmZ~ 1/MESSAGE fluffy;2fb0dcc9 kumiko; z9hG4bK-d87543-4dade06d0~ 553/0",
	"rfc4475/multi01.dat":                   "INVITE multi01.98asdh@192.0.2.1 5/INVITE caller;3413415 user; z9hG4bKkdjuw 154/154",
	"rfc4475/ncl.dat":                       "INVITE ncl.0ha0isndaksdj2193423~ 0/INVITE caller;32394234 j.user; z9hG4bKkdjuw 152/152 no length",
	"rfc4475/noreason.dat":                  "100 noreason.asndj203insdf99~ 35/INVITE user;39ansfi3 user;902jndnke3 z9hG4bK2398ndaoe 0/0",
	"rfc4475/novelsc.dat":                   "OPTIONS novelsc.asdfasser0q239nw~ 3923423/OPTIONS caller;384 user; z9hG4bKkdjuw39234 0/0",
	"rfc4475/quotbal.dat":                   "INVITE quotbal.aksdj 8/INVITE caller;93334 j.user; z9hG4bKkdjuw39234 152/152",
	"rfc4475/regaut01.dat":                  "REGISTER regaut01.0ha0isndaksdj 9338/REGISTER j.user;87321hj23128 j.user; z9hG4bKkdjuw 0/0",
	"rfc4475/regbadct.dat":                  "REGISTER regbadct.k345asrl3fdbv@1~ 1/REGISTER user;998332 user; z9hG4bKkdjuw 0/0",
	"rfc4475/regescrt.dat":                  "REGISTER regescrt.k345asrl3fdbv@1~ 14398234/REGISTER user;8 user; z9hG4bKkdjuw 0/0",
	"rfc4475/scalar02.dat":                  "REGISTER scalar02.23o0pd9vanlq3wn~ -1/REGISTER user;239232jh3 user; z9hG4bK342sdfoi3 0/0",
	"rfc4475/scalarlg.dat":                  "503 scalarlg.noase0of0234hn2~ -1/OPTIONS other;2easdjfejw user; z9hG4bKzzxdiwo34sw 0/0",
	"rfc4475/sdp01.dat":                     "INVITE sdp01.ndaksdj9342dasdd 8/INVITE caller;234 j_user; z9hG4bKkdjuw 150/150",
	"rfc4475/semiuri.dat":                   "OPTIONS semiuri.0ha0isndaksdj 8/OPTIONS caller;33242 j_user; z9hG4bKkdjuw 0/0",
	"rfc4475/test.dat":                      "sip: no start line",
	"rfc4475/transports.dat":                "OPTIONS transports.kijh4akdnaqjk~ 60/OPTIONS caller;323 user; z9hG4bKkdjuw 0/0",
	"rfc4475/trws.dat":                      "OPTIONS trws.oicu34958239neffasd~ 238923/OPTIONS local-resource;329429089 remote-target; z9hG4bK299342093 0/0",
	"rfc4475/unkscm.dat":                    "OPTIONS unkscm.nasdfasser0q239nw~ 3923423/OPTIONS caller;384 user; z9hG4bKkdjuw39234 0/0",
	"rfc4475/unksm2.dat":                    "REGISTER unksm2.daksdj@hyphenated~ 234902/REGISTER ;3234233 ; z9hG4bKkdjuw 0/0",
	"rfc4475/unreason.dat":                  "200 unreason.1234ksdfak3j2er~ 35/INVITE user;11141343 user;2229 z9hG4bK1324923 154/154",
	"rfc4475/wsinv.dat":                     "INVITE wsinv.ndaksdj@192.0.2.1 9/INVITE jdrosen;98asjd8 vivekg;1918181833n 390skdjuw 150/150",
	"rfc4475/zeromf.dat":                    "OPTIONS zeromf.jfasdlfnm2o2l43r5~ 39234321/OPTIONS caller;3ghsd41 user; z9hG4bKkdjuw2349i 0/0",
	"rfc5118/ipv4-mapped-ipv6":              "INVITE SSG9559905523997077@hlau~ 612/INVITE user;81x2 user; z9hG4bKbh19 236/236 9 over",
	"rfc5118/ipv6-bad":                      "REGISTER SSG9559905523997077@hlau~ 98176/REGISTER user;81x2 user; z9hG4bKas3-111 0/0",
	"rfc5118/ipv6-bug-abnf-3-colons":        "OPTIONS G9559905523997077@hlau_4~ 689/OPTIONS user;810x2 user; z9hG4bKas3-111 0/0",
	"rfc5118/ipv6-correct-abnf-2-colons":    "OPTIONS G9559905523997077@hlau_4~ 689/OPTIONS user;810x2 user; z9hG4bKas3-111 0/0",
	"rfc5118/ipv6-good":                     "REGISTER SSG9559905523997077@hlau~ 98176/REGISTER user;81x2 user; z9hG4bKas3-111 0/0",
	"rfc5118/ipv6-in-sdp":                   "INVITE SSG9559905523997077@hlau~ 8612/INVITE user;81x2 user; z9hG4bKas3-111 241/241 10 over",
	"rfc5118/mult-ip-in-header":             "BYE 997077@lau_4100 89187/BYE user;81x2 user;9817--94 z9hG4bKas3-111 0/0",
	"rfc5118/mult-ip-in-sdp":                "INVITE SSG9559905523997077@hlau~ 8912/INVITE user;81x2 user; z9hG4bKas3-111 181/181 8 over",
	"rfc5118/port-ambiguous":                "REGISTER SSG9559905523997077@hlau~ 98176/REGISTER user;81x2 user; z9hG4bKas3-111 0/0",
	"rfc5118/port-unambiguous":              "REGISTER SSG9559905523997077@hlau~ 98176/REGISTER user;81x2 user; z9hG4bKas3-111 0/0",
	"rfc5118/via-received-param-no-delim":   "OPTIONS SSG95523997077@hlau_4100 921/OPTIONS user;81x2 user; z9hG4bKas3 0/0",
	"rfc5118/via-received-param-with-delim": "BYE SSG9559905523997077@hlau~ 321/BYE user;81x2 user;bd76ya z9hG4bKas3-111 0/0",
}

func TestTorture(t *testing.T) {
	dir := filepath.Join(shared(t), "corpora")
	seen := 0
	for _, rfc := range []string{"rfc4475", "rfc5118"} {
		names, err := filepath.Glob(filepath.Join(dir, rfc, "*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			id := rfc + "/" + filepath.Base(name)
			want, ok := torture[id]
			if !ok {
				t.Errorf("%s is not listed", id)
			}
			if got := outcome(b); got != want {
				t.Errorf("%s:\n got %s\nwant %s", id, got, want)
			}
			seen++
		}
	}
	if seen != len(torture) {
		t.Errorf("%d cases read, %d listed", seen, len(torture))
	}
}

// TestForeignSeeds reads what others found worth fuzzing with: nothing may
// panic, and the messages among them must be found.
func TestForeignSeeds(t *testing.T) {
	for dir, want := range map[string]int{"pjsip-seeds/sip": 15, "pjsip-seeds/sip-dialog": 3, "pjsip-seeds/sdp": 0, "pjsip-seeds/http": 0, "zeek-corpora/sip": 0} {
		names, err := filepath.Glob(filepath.Join(shared(t), "corpora", dir, "*"))
		if err != nil || len(names) == 0 {
			t.Fatal(dir, err)
		}
		got := 0
		for _, name := range names {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			var v sip.View
			if v.Parse(b) == nil {
				got++
			}
		}
		if got != want {
			t.Errorf("%s: %d messages, want %d", dir, got, want)
		}
	}
}
