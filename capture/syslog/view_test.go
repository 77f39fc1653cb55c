package syslog_test

import (
	"fmt"
	"strings"
	"testing"

	"heptap/capture/syslog"
)

// show writes a View down: what it has, in a fixed order.
func show(v *syslog.View) string {
	var out strings.Builder
	if v.HasPriority {
		fmt.Fprintf(&out, "%v.%v", v.Facility, v.Severity)
	}
	if v.Version > 0 {
		fmt.Fprintf(&out, " v%d", v.Version)
	}
	for _, f := range []struct {
		name  string
		value []byte
	}{{"time", v.Time}, {"host", v.Host}, {"program", v.Program}, {"pid", v.PID}, {"id", v.MsgID}, {"seq", v.Sequence}, {"sd", v.Structured}} {
		if f.value != nil {
			fmt.Fprintf(&out, " %s=%s", f.name, f.value)
		}
	}
	if v.BOM {
		out.WriteString(" bom")
	}
	return fmt.Sprintf("%s: %s", strings.TrimSpace(out.String()), v.Message)
}

var shapes = []struct{ name, in, want string }{
	// RFC 5424 6.5, the examples.
	{"5424 example 1", "<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - \xef\xbb\xbf'su root' failed for lonvick on /dev/pts/8",
		"auth.crit v1 time=2003-10-11T22:14:15.003Z host=mymachine.example.com program=su id=ID47 bom: 'su root' failed for lonvick on /dev/pts/8"},
	{"5424 example 2", "<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 - - %% It's time to make the do-nuts.",
		"local4.notice v1 time=2003-08-24T05:14:15.000003-07:00 host=192.0.2.1 program=myproc pid=8710: %% It's time to make the do-nuts."},
	{"5424 example 3", "<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 [exampleSDID@32473 iut=\"3\" eventSource=\"Application\" eventID=\"1011\"] \xef\xbb\xbfAn application event log entry...",
		`local4.notice v1 time=2003-10-11T22:14:15.003Z host=mymachine.example.com program=evntslog id=ID47 sd=[exampleSDID@32473 iut="3" eventSource="Application" eventID="1011"] bom: An application event log entry...`},
	{"5424 example 4", `<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 [exampleSDID@32473 iut="3"][examplePriority@32473 class="high"]`,
		`local4.notice v1 time=2003-10-11T22:14:15.003Z host=mymachine.example.com program=evntslog id=ID47 sd=[exampleSDID@32473 iut="3"][examplePriority@32473 class="high"]: `},
	{"5424 all nil", "<0>1 - - - - - -", "kern.emerg v1: "},
	{"5424 nil time, text", "<14>1 - host app - - - hello", "user.info v1 host=host program=app: hello"},
	{"5424 escapes in SD", `<14>1 - h a - - [x@1 a="q\"] \\ \] [" b="2"] m`, `user.info v1 host=h program=a sd=[x@1 a="q\"] \\ \] [" b="2"]: m`},
	{"5424 broken SD is text", `<14>1 - h a - - [x@1 a="1 m`, `user.info v1 host=h program=a: [x@1 a="1 m`},
	{"5424 SD left out", "<14>1 - h a - - text only", "user.info v1 host=h program=a: text only"},
	{"5424 SD without a space behind", "<14>1 - h a - - [x]m", "user.info v1 host=h program=a: [x]m"},
	{"5424 header cut", "<14>1 2003-10-11T22:14:15Z host ap", "user.info v1 time=2003-10-11T22:14:15Z host=host program=ap: "},
	{"5424 LF in a datagram", "<14>1 - h a 1 m - x\n", "user.info v1 host=h program=a pid=1 id=m: x"},
	{"another version with a time", "<14>2 2003-10-11T22:14:15Z h a - - - x", "user.info v2 time=2003-10-11T22:14:15Z host=h program=a: x"},
	{"no version", "<134>854 08/20/2013-19:05:23 CONFIG QLA23XX", "local0.info: 854 08/20/2013-19:05:23 CONFIG QLA23XX"},

	// RFC 3164 5.4, the examples.
	{"3164 example 1", "<34>Oct 11 22:14:15 mymachine su: 'su root' failed for lonvick on /dev/pts/8", "auth.crit time=Oct 11 22:14:15 host=mymachine program=su: 'su root' failed for lonvick on /dev/pts/8"},
	{"3164 example 2", "Use the BFG!", ": Use the BFG!"},
	{"3164 example 3", "<165>Aug 24 05:34:00 CST 1987 mymachine myproc[10]: %% It's time to make the do-nuts.", "local4.notice time=Aug 24 05:34:00 host=CST: 1987 mymachine myproc[10]: %% It's time to make the do-nuts."},
	{"3164 example 4", "<0>1990 Oct 22 10:52:01 TZ-6 scapegoat.dmz.example.org 10.1.2.3 sched[0]: That's All Folks!", "kern.emerg time=1990 Oct 22 10:52:01 host=TZ-6: scapegoat.dmz.example.org 10.1.2.3 sched[0]: That's All Folks!"},

	// What loggers make of it.
	{"pid", "<30>Mar  9 04:44:27 sbc1 asterisk[1422]: NOTICE[77][C-0000002a]: x", "daemon.info time=Mar  9 04:44:27 host=sbc1 program=asterisk pid=1422: NOTICE[77][C-0000002a]: x"},
	{"pid without colon", "<30>Mar  9 04:44:27 sbc1 sshd[9] x", "daemon.info time=Mar  9 04:44:27 host=sbc1 program=sshd pid=9: x"},
	{"path as tag", "<30>Mar  9 04:44:27 sbc1 postfix/smtp[7]: x", "daemon.info time=Mar  9 04:44:27 host=sbc1 program=postfix/smtp pid=7: x"},
	{"ISO time", "<30>2022-03-02T12:39:47.689392-01:00 sbc1 kamailio[5]: x", "daemon.info time=2022-03-02T12:39:47.689392-01:00 host=sbc1 program=kamailio pid=5: x"},
	{"ISO time with a space", "<134> 2021-04-18 15:12:38+04:00 10.126.20.68 Log,     65934", "local0.info time=2021-04-18 15:12:38+04:00 host=10.126.20.68: Log,     65934"},
	{"Java's comma", "<134>2021-04-18 15:12:38,123 sbc x: y", "local0.info time=2021-04-18 15:12:38,123 host=sbc program=x: y"},
	{"no host", "<6>Jan 01 00:00:02 kernel: eth0: up", "kern.info time=Jan 01 00:00:02 program=kernel: eth0: up"},
	{"IPv6 host", "<6>Jan 01 00:00:02 2001:db8::1 kernel: x", "kern.info time=Jan 01 00:00:02 host=2001:db8::1 program=kernel: x"},
	{"no host, no time", "<30>snmpd[6956]: Connection from UDP: [127.0.0.1]:21311 \n", "daemon.info program=snmpd pid=6956: Connection from UDP: [127.0.0.1]:21311 "},
	{"no host, no time, no pid", "<133>ssg: NetScreen device_id=0185", "local0.notice program=ssg: NetScreen device_id=0185"},
	{"no tag", "<189>date=2021-12-09 time=16:29:06 devname=\"A\"", "local7.notice: date=2021-12-09 time=16:29:06 devname=\"A\""},
	{"host, no tag", "<13>Jan  1 00:00:02 sbc1 all is well", "user.notice time=Jan  1 00:00:02 host=sbc1: all is well"},
	{"one digit for the day", "<13>Jan 1 00:00:02 sbc1 x: y", "user.notice time=Jan 1 00:00:02 host=sbc1 program=x: y"},
	{"year", "<13>Jan  1 2024 00:00:02 sbc1 x: y", "user.notice time=Jan  1 2024 00:00:02 host=sbc1 program=x: y"},
	{"kernel's bracket", "<6>kernel:[12.3] x", "kern.info program=kernel: [12.3] x"},
	{"a URL is no tag", "<6>http://a/b: c", "kern.info: http://a/b: c"},
	{"no PRI", "Mar  9 04:44:27 sbc1 x[1]: y", "time=Mar  9 04:44:27 host=sbc1 program=x pid=1: y"},
	{"no PRI, no time", "Warning: no such thing", ": Warning: no such thing"},
	{"PRI too high", "<192>x: y", ": <192>x: y"},
	{"PRI with a zero in front", "<013>x: y", ": <013>x: y"},
	{"PRI alone", "<13>", "user.notice: "},
	{"NUL and LF behind", "<13>x: y\r\n\x00", "user.notice program=x: y"},
	{"BOM in BSD", "<13>x: \xef\xbb\xbfy", "user.notice program=x bom: y"},
	{"time alone", "<13>Jan  1 00:00:02", "user.notice time=Jan  1 00:00:02: "},

	// Cisco.
	{"IOS", "<189>72: Mar  3 19:57:17.371: %LINK-5-CHANGED: Interface up", "local7.notice time=Mar  3 19:57:17.371 id=LINK-5-CHANGED seq=72: Interface up"},
	{"IOS, clock not set", "<189>30: *Sep 22 13:34:49.195: %SYS-5-CONFIG_I: x", "local7.notice time=Sep 22 13:34:49.195 id=SYS-5-CONFIG_I seq=30: x"},
	{"IOS, not synchronised", "<189>30: .Sep 22 13:34:49: %SYS-5-CONFIG_I: x", "local7.notice time=Sep 22 13:34:49 id=SYS-5-CONFIG_I seq=30: x"},
	{"IOS, two numbers", "<189>29: 000027: *Mar  1 00:01:02.3: %SYS-5-RESTART: x", "local7.notice time=Mar  1 00:01:02.3 id=SYS-5-RESTART seq=000027: x"},
	{"IOS, host", "<187>38: R1: *Sep 22 13:39:11.250: %LINK-3-UPDOWN: x", "local7.err time=Sep 22 13:39:11.250 host=R1 id=LINK-3-UPDOWN seq=38: x"},
	{"IOS, SD", `<189>85: R1: [syslog@9 s_sn="5"]: *Sep 22 13:47:45.672: %SYS-5-CONFIG_I: x`, `local7.notice time=Sep 22 13:47:45.672 host=R1 id=SYS-5-CONFIG_I seq=85 sd=[syslog@9 s_sn="5"]: x`},
	{"IOS, XML", "<189>94: <ios-log-msg><facility>SYS</facility>", "local7.notice seq=94: <ios-log-msg><facility>SYS</facility>"},
	{"IOS, zone and year", "<189>1: Mar  1 2024 18:46:11.123 CET: %SYS-5-X: y", "local7.notice time=Mar  1 2024 18:46:11.123 CET id=SYS-5-X seq=1: y"},
	{"IOS, since boot", "<189>00:00:46: %LINK-3-UPDOWN: x", "local7.notice time=00:00:46 id=LINK-3-UPDOWN: x"},
	{"IOS, weeks since boot", "<189>5: 1w2d: %LINK-3-UPDOWN: x", "local7.notice time=1w2d id=LINK-3-UPDOWN seq=5: x"},
	{"IOS XR", "<189>104: RP/0/RP0/CPU0:Mar  1 18:46:11.123 : ifmgr[214]: %PKT_INFRA-LINK-5-CHANGED : x", "local7.notice time=Mar  1 18:46:11.123 host=RP/0/RP0/CPU0 program=ifmgr pid=214 id=PKT_INFRA-LINK-5-CHANGED seq=104: x"},
	{"NX-OS", "<189>: 2013 Jan 11 18:46:11 UTC: %ETHPORT-5-IF_UP: x", "local7.notice time=2013 Jan 11 18:46:11 UTC id=ETHPORT-5-IF_UP: x"},
	{"ASA, host", "<166>Oct 16 2019 13:27:05 fw01 : %ASA-6-302013: Built", "local4.info time=Oct 16 2019 13:27:05 host=fw01 id=ASA-6-302013: Built"},
	{"ASA, time", "<166>Oct 16 2019 13:27:05: %ASA-6-302013: Built", "local4.info time=Oct 16 2019 13:27:05 id=ASA-6-302013: Built"},
	{"ASA, nothing", "<166>%ASA-6-302013: Built", "local4.info id=ASA-6-302013: Built"},
	{"a percentage is no mnemonic", "<166>%CPU: 90", "local4.info: %CPU: 90"},
}

func TestParse(t *testing.T) {
	for _, c := range shapes {
		t.Run(c.name, func(t *testing.T) {
			var v syslog.View
			if err := v.Parse([]byte(c.in)); err != nil {
				t.Fatal(err)
			}
			if got := show(&v); got != c.want {
				t.Errorf("\n got %q\nwant %q", got, c.want)
			}
			if got, want := syslog.Is([]byte(c.in)), v.HasPriority && c.in != "<13>"; got != want {
				t.Errorf("Is: %v", got)
			}
			for n := range len(c.in) { // cut anywhere it is still read, or empty
				if err := v.Parse([]byte(c.in[:n])); err != nil && n > 0 {
					t.Errorf("first %d octets: %v", n, err)
				}
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct {
		in   string
		want error
	}{
		{"", syslog.ErrEmpty}, {"\r\n\x00", syslog.ErrEmpty},
		{"\x80\x00\x12\x34", syslog.ErrNotText}, {"a\x01b", syslog.ErrNotText}, {"<13\x00", nil}, {"<\x01", syslog.ErrNotText},
	} {
		v := syslog.View{Version: 9}
		if err := v.Parse([]byte(c.in)); err != c.want {
			t.Errorf("%q: %v, want %v", c.in, err, c.want)
		} else if err != nil && show(&v) != ": " {
			t.Errorf("%q: %v with %s", c.in, err, show(&v))
		}
	}
}

func TestIs(t *testing.T) {
	for _, in := range []string{
		"", "<", "<1", "<13", "<13>", "<>x", "<1a>x", "<192>x", "<01>x", "<00>x", "<1234>x", "<13>\x01", "<13>a\x80\x00b", "<13>\x00",
		"INVITE sip:a@b SIP/2.0\r\nCall-ID: 1\r\n\r\n", "SIP/2.0 200 OK\r\n\r\n", "\x80\x00", "\x16\x03\x01", "HEP3", "<?xml version=\"1.0\"?>",
		"<a>x", "13 <14>x", "text", "\r\n\r\n", "\x00\x01\x00\x00\x21\x12\xa4\x42",
	} {
		if syslog.Is([]byte(in)) {
			t.Errorf("%q is syslog", in)
		}
	}
	for _, in := range []string{"<0>x", "<191>x", "<13> x", "<13>x\n\x00", "<14>\xef\xbb\xbfx", "<14>\x1b[1mx", "<14>" + strings.Repeat("x", 64) + "\x00\x01"} {
		if !syslog.Is([]byte(in)) {
			t.Errorf("%q is no syslog", in)
		}
	}
}

func TestNames(t *testing.T) {
	for f, want := range map[syslog.Facility]string{0: "kern", 4: "auth", 10: "authpriv", 16: "local0", 23: "local7", 24: "24"} {
		if f.String() != want {
			t.Errorf("facility %d is %s, want %s", uint8(f), f, want)
		}
	}
	for s, want := range map[syslog.Severity]string{0: "emerg", 3: "err", 7: "debug", 8: "8"} {
		if s.String() != want {
			t.Errorf("severity %d is %s, want %s", uint8(s), s, want)
		}
	}
}

func TestNoAllocation(t *testing.T) {
	lines := make([][]byte, len(shapes))
	for i, c := range shapes {
		lines[i] = []byte(c.in)
	}
	var v syslog.View
	named := 0
	if n := testing.AllocsPerRun(10, func() {
		for _, b := range lines {
			if syslog.Is(b) && v.Parse(b) == nil {
				syslog.Tokens(v.Message, nil, func(x syslog.Token) bool {
					if x.Named {
						named++
					}
					return true
				})
			}
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
