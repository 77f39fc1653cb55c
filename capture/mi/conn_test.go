package mi_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"heptap/capture/mi"
)

// log is a Handler that writes down what it is told.
type log struct{ lines []string }

func (l *log) Request(r *mi.Request) { l.lines = append(l.lines, showRequest(r)) }
func (l *log) Reply(r *mi.Reply)     { l.lines = append(l.lines, showReply(r)) }

func showRequest(r *mi.Request) string {
	s := fmt.Sprintf("> %d %v/%v id=%s user=%s %s %s %q", r.Seq, r.Backend, r.Transport, r.ID, r.User, r.Verb, r.Command, r.Params)
	return s + flags(map[string]bool{"cut": r.Cut, "secret": r.Secret, "noreply": r.NoReply})
}

func showReply(r *mi.Reply) string {
	s := fmt.Sprintf("< %d %v/%v id=%s %d %q %q", r.Seq, r.Backend, r.Transport, r.ID, r.Status, r.Word, r.Output)
	return s + flags(map[string]bool{"cut": r.Cut, "hidden": r.Hidden, "ok": r.OK, "job": r.Job})
}

func flags(m map[string]bool) (s string) {
	for _, name := range []string{"ok", "job", "cut", "secret", "hidden", "noreply"} {
		if m[name] {
			s += " " + name
		}
	}
	return s
}

// piece is what one side sends: 0 is the client.
type piece struct {
	dir  int
	text string
}

func crlf(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }

// The transcripts are made of the messages in the documentation of
// mod_event_socket and of AMI; the octets of binrpc are those that kamcmd and
// Kamailio 5.6.3 exchange.
var transcripts = []struct {
	name   string
	kind   mi.Transport
	pieces []piece
	want   []string
	stats  mi.Stats
}{
	{
		"event socket", mi.ESL, []piece{
			{1, "Content-Type: auth/request\n\n"},
			{0, "auth ClueCon\n\n"},
			{1, "Content-Type: command/reply\nReply-Text: +OK accepted\n\n"},
			{0, "api global_getvar domain\n\n"},
			{1, "Content-Type: api/response\nContent-Length: 11\n\nexample.org"},
			{0, "event plain BACKGROUND_JOB\r\n\r\n"},
			{1, "Content-Type: command/reply\nReply-Text: +OK event listener enabled plain\n\n"},
			{0, "bgapi originate {sip_auth_password=hunter2}sofia/gateway/x/1000 &park()\n\n"},
			{1, "Content-Type: command/reply\nReply-Text: +OK Job-UUID: 7f4db0f2-b848-4b0a-b3cf-559bdca96b38\nJob-UUID: 7f4db0f2-b848-4b0a-b3cf-559bdca96b38\n\n"},
			{1, "Content-Length: 41\nContent-Type: text/event-plain\n\nEvent-Name: HEARTBEAT\nEvent-Sequence: 5\n\n"},
			{1, "Content-Length: 125\nContent-Type: text/event-plain\n\nEvent-Name: BACKGROUND_JOB\nJob-UUID: 7f4db0f2-b848-4b0a-b3cf-559bdca96b38\nJob-Command: originate\nContent-Length: 9\n\n+OK done\n"},
			{0, "api user_data 1000@example.org param password\n\n"},
			{1, "Content-Type: api/response\nContent-Length: 7\n\nhunter2"},
			{0, "api nosuch\n\n"},
			{1, "Content-Type: api/response\nContent-Length: 31\n\n-ERR nosuch Command not found!\n"},
			{0, "sendmsg 4e1b\ncall-command: execute\nexecute-app-name: playback\nexecute-app-arg: /tmp/test.wav\n\n"},
			{1, "Content-Type: command/reply\nReply-Text: -ERR invalid session id [4e1b]\n\n"},
			{0, "exit\n\n"},
			{1, "Content-Type: command/reply\nReply-Text: +OK bye\n\nContent-Type: text/disconnect-notice\nContent-Length: 4\n\nBye\n"},
		},
		[]string{
			`> 1 freeswitch-esl/esl id= user= auth auth "***" secret`,
			`< 1 freeswitch-esl/esl id= 0 "" "" ok hidden`,
			`> 2 freeswitch-esl/esl id= user= api global_getvar "domain"`,
			`< 2 freeswitch-esl/esl id= 0 "" "example.org" ok`,
			`> 3 freeswitch-esl/esl id= user= event event "plain BACKGROUND_JOB"`,
			`< 3 freeswitch-esl/esl id= 0 "+OK event listener enabled plain" "" ok`,
			`> 4 freeswitch-esl/esl id= user= bgapi originate "{sip_auth_password=***"`,
			`< 4 freeswitch-esl/esl id=7f4db0f2-b848-4b0a-b3cf-559bdca96b38 0 "+OK Job-UUID: 7f4db0f2-b848-4b0a-b3cf-559bdca96b38" "" ok`,
			`< 4 freeswitch-esl/esl id=7f4db0f2-b848-4b0a-b3cf-559bdca96b38 0 "+OK done" "+OK done" ok job`,
			`> 5 freeswitch-esl/esl id= user= api user_data "***" secret`,
			`< 5 freeswitch-esl/esl id= 0 "" "***" ok hidden`,
			`> 6 freeswitch-esl/esl id= user= api nosuch ""`,
			`< 6 freeswitch-esl/esl id= 0 "-ERR nosuch Command not found!" "-ERR nosuch Command not found!"`,
			`> 7 freeswitch-esl/esl id= user= sendmsg sendmsg "4e1b\ncall-command: execute\nexecute-app-name: playback\nexecute-app-arg: /tmp/test.wav"`,
			`< 7 freeswitch-esl/esl id= 0 "-ERR invalid session id [4e1b]" ""`,
			`> 8 freeswitch-esl/esl id= user= exit exit ""`,
			`< 8 freeswitch-esl/esl id= 0 "+OK bye" "" ok`,
		},
		mi.Stats{Requests: 8, Replies: 9, Events: 4},
	},
	{
		"event socket, FreeSWITCH calls", mi.ESL, []piece{
			{1, "connect\n\n"},
			{0, "Event-Name: CHANNEL_DATA\nCore-UUID: 1\nContent-Type: command/reply\nReply-Text: %2BOK%0A\nvariable_sip_auth_password: hunter2\nSocket-Mode: async\n\n"},
			{1, "userauth 1000@example.org:hunter2\n\n"},
			{0, "Content-Type: command/reply\nReply-Text: +OK accepted\nAllowed-Events: all\n\n"},
			{1, "sendmsg\ncall-command: execute\ncontent-length: 5\n\nab\n\nc"},
			{0, "Content-Type: command/reply\nReply-Text: +OK\n\n"},
			{1, "getvar sip_auth_password\n\n"},
			{0, "Content-Type: command/reply\nReply-Text: hunter2\n\n"},
			{1, "bgapi status\nJob-UUID: j1\n\n"},
			{0, "Content-Type: command/reply\nReply-Text: +OK Job-UUID: j1\nJob-UUID: j1\n\n"},
			{0, "Content-Length: 75\nContent-Type: text/event-json\n\n{\"Event-Name\":\"BACKGROUND_JOB\",\"Job-UUID\":\"j1\",\"_body\":\"UP 0 years\\npin=1\"}"},
		},
		[]string{
			`> 1 freeswitch-esl/esl id= user= connect connect ""`,
			`< 1 freeswitch-esl/esl id= 0 "+OK" "" ok`,
			`> 2 freeswitch-esl/esl id= user=1000@example.org userauth userauth "***" secret`,
			`< 2 freeswitch-esl/esl id= 0 "" "" ok hidden`,
			`> 3 freeswitch-esl/esl id= user=1000@example.org sendmsg sendmsg "call-command: execute\ncontent-length: 5\nab\n\nc"`,
			`< 3 freeswitch-esl/esl id= 0 "+OK" "" ok`,
			`> 4 freeswitch-esl/esl id= user=1000@example.org getvar getvar "***" secret`,
			`< 4 freeswitch-esl/esl id= 0 "" "" ok hidden`,
			`> 5 freeswitch-esl/esl id=j1 user=1000@example.org bgapi status ""`,
			`< 5 freeswitch-esl/esl id=j1 0 "+OK Job-UUID: j1" "" ok`,
			`< 5 freeswitch-esl/esl id=j1 0 "" "UP 0 years\npin=***" ok job`,
		},
		mi.Stats{Requests: 5, Replies: 6, Events: 1},
	},
	{
		"manager interface", mi.AMI, []piece{
			{1, crlf("Asterisk Call Manager/5.0.1\n")},
			{0, crlf("Action: Login\nActionID: 1\nUsername: admin\nSecret: hunter2\n\n")},
			{1, crlf("Response: Success\nActionID: 1\nMessage: Authentication accepted\n\n")},
			{1, crlf("Event: FullyBooted\nPrivilege: system,all\nUptime: 1237\nLastReload: 1237\nStatus: Fully Booted\n\n")},
			{0, crlf("Action: Command\nActionID: 2\nCommand: core show uptime\n\n")},
			{1, crlf("Response: Success\nActionID: 2\nMessage: Command output follows\nOutput: System uptime: 2 weeks\nOutput: Last reload: 2 weeks\n\n")},
			{0, crlf("action: originate\nChannel: PJSIP/100\nExten: 200\nVariable: a=1,password=hunter2\n\n")},
			{0, crlf("Action: Command\nActionID: 3\nCommand: sip  show users\n\n")},
			{1, crlf("Response: Success\nActionID: 3\nMessage: Command output follows\nOutput: Username Secret\nOutput: harry hunter2\n\n")},
			{1, crlf("Response: Error\nMessage: Originate failed\n\n")},
			{0, crlf("ActionID: 4\nAction: Getvar\nVariable: SIP_PASSWORD\n\n")},
			{1, crlf("Response: Success\nActionID: 4\nVariable: SIP_PASSWORD\nValue: hunter2\n\n")},
			{0, crlf("Action: DBPut\nActionID: 5\nFamily: trunk\nKey: secret\nVal: hunter2\n\n")},
			{1, crlf("Response: Success\nActionID: 5\nMessage: Updated database successfully\n\n")},
			{0, crlf("Action: Logoff\n\n")},
			{1, crlf("Response: Goodbye\nMessage: Thanks for all the fish.\n\n")},
		},
		[]string{
			`> 1 asterisk-ami/ami id=1 user=admin  Login "***" secret`,
			`< 1 asterisk-ami/ami id=1 0 "Success" "***" ok hidden`,
			`> 2 asterisk-ami/ami id=2 user=admin  Command "Command: core show uptime"`,
			`< 2 asterisk-ami/ami id=2 0 "Success" "System uptime: 2 weeks\nLast reload: 2 weeks" ok`,
			`> 3 asterisk-ami/ami id= user=admin  originate "Channel: PJSIP/100\nExten: 200\nVariable: a=1,password=***"`,
			`> 4 asterisk-ami/ami id=3 user=admin  Command "***" secret`,
			`< 4 asterisk-ami/ami id=3 0 "Success" "***" ok hidden`,
			`< 3 asterisk-ami/ami id= 0 "Error" "Message: Originate failed"`,
			`> 5 asterisk-ami/ami id=4 user=admin  Getvar "***" secret`,
			`< 5 asterisk-ami/ami id=4 0 "Success" "***" ok hidden`,
			`> 6 asterisk-ami/ami id=5 user=admin  DBPut "***" secret`,
			`< 6 asterisk-ami/ami id=5 0 "Success" "***" ok hidden`,
			`> 7 asterisk-ami/ami id= user=admin  Logoff ""`,
			`< 7 asterisk-ami/ami id= 0 "Goodbye" "Message: Thanks for all the fish." ok`,
		},
		mi.Stats{Requests: 7, Replies: 7, Events: 1},
	},
	{
		"manager interface of Asterisk 11", mi.AMI, []piece{
			{1, crlf("Asterisk Call Manager/1.3\n")},
			{0, crlf("Action: Command\nCommand: database get a b\nActionID: 7\n\n")},
			{1, "Response: Follows\r\nPrivilege: Command\r\nActionID: 7\r\nrow one\n\nrow two\nEvent: none\n--END COMMAND--\r\n\r\n"},
			{0, crlf("Action: Command\nCommand: core show uptime\nActionID: 8\n\n")},
			{1, "Response: Follows\r\nPrivilege: Command\r\nActionID: 8\r\nglued--END COMMAND--\r\n\r\n"},
			{1, crlf("Event: Shutdown\n\n")},
		},
		[]string{
			`> 1 asterisk-ami/ami id=7 user=  Command "Command: database get a b"`,
			`< 1 asterisk-ami/ami id=7 0 "Follows" "row one\nrow two\nEvent: none" ok`,
			`> 2 asterisk-ami/ami id=8 user=  Command "Command: core show uptime"`,
			`< 2 asterisk-ami/ami id=8 0 "Follows" "glued" ok`,
		},
		mi.Stats{Requests: 2, Replies: 2, Events: 1},
	},
	{
		"binrpc", mi.BinRPC, []piece{
			{0, "\xa1\x03\x0fg\x19Y\xf4\x91\rcore.version\x00"},
			{1, "\xa1\x13!g\x19Y\xf4\x91\x1fkamailio 5.6.3 (x86_64/linux) \x00"},
			{0, "\xa1\x03\x1b\x17\xa3A\x81\x91\x0chtable.sets\x00!a\x00!x\x00ahello\x00"},
			{1, "\xa1\x13\x1c\x17\xa3A\x81\x91\x1aOk. Key set to new value.\x00"},
			{0, "\xa1\x03\x13\x058\x18\x90\x91\x0bhtable.get\x00!a\x00!x\x00"},
			{1, "\xa1\x139\x058\x18\x90\x03Uitem\x00\x03Uname\x00!x\x00evalue\x00ahello\x00eflags\x00\x10\x02uexpire\x00aNEVER\x00\x83\x83"},
			{0, "\xa1\x03\x08\x11\xb2`\x02qnosuch\x00"},
			{1, "\xa13\x1e\x11\xb2`\x02 \x01\xf4\x91\x19command nosuch not found\x00"},
			{0, "\xa1\x03\x17<\xbc\xef.\x91\ncore.echo\x00\x10\x01\"\t\xc40\x04\x93\xe0\x11\x00"},
			{1, "\xa1\x13\x03<\xbc\xef.!1\x00"},
			{1, "\xa1\x10\x00\x05"},
		},
		[]string{
			`> 1 kamailio-rpc/binrpc id=671959f4 user=  core.version ""`,
			`< 1 kamailio-rpc/binrpc id=671959f4 0 "" "\"kamailio 5.6.3 (x86_64/linux) \"" ok`,
			`> 2 kamailio-rpc/binrpc id=17a34181 user=  htable.sets "[\"a\",\"x\",\"hello\"]"`,
			`< 2 kamailio-rpc/binrpc id=17a34181 0 "" "\"Ok. Key set to new value.\"" ok`,
			`> 3 kamailio-rpc/binrpc id=5381890 user=  htable.get "[\"a\",\"x\"]"`,
			`< 3 kamailio-rpc/binrpc id=5381890 0 "" "{\"item\":{\"name\":\"x\",\"value\":\"hello\",\"flags\":2,\"expire\":\"NEVER\"}}" ok`,
			`> 4 kamailio-rpc/binrpc id=11b26002 user=  nosuch ""`,
			`< 4 kamailio-rpc/binrpc id=11b26002 500 "command nosuch not found" "[500,\"command nosuch not found\"]"`,
			`> 5 kamailio-rpc/binrpc id=3cbcef2e user=  core.echo "[1,2.5,300000,\"\"]"`,
			`< 5 kamailio-rpc/binrpc id=3cbcef2e 0 "" "\"1\"" ok`,
			`< 0 kamailio-rpc/binrpc id=5 0 "" "" ok hidden`,
		},
		mi.Stats{Requests: 5, Replies: 6, Strays: 1},
	},
	{
		"JSON-RPC", mi.Stream, []piece{
			{0, "{\"jsonrpc\": \"2.0\", \"method\": \"core.echo\", \"params\": [\"}]\\\"{\"], \"id\": 1}"},
			{1, "{\n\t\"jsonrpc\":\t\"2.0\",\n\t\"result\":\t[\"}]\\\"{\"],\n\t\"id\":\t1\n}\n"},
			{0, " {\"jsonrpc\":\"2.0\",\"method\":\"no.such\"}\r\n{\"jsonrpc\":\"2.0\",\"method\":\"uac.reg_add\",\"params\":[\"hunter2\"],\"id\":\"b\"}"},
			{1, "{\"jsonrpc\":\"2.0\",\"result\":\"hunter2\",\"id\":\"b\"}"},
			{1, "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32601,\"message\":\"Method Not Found\"},\"id\":null}"},
			{1, "{\"jsonrpc\":\"2.0\",\"result\":\"of whom?\",\"id\":7}"},
			{0, "[{\"jsonrpc\":\"2.0\",\"method\":\"uptime\"}]"},
			{0, "{\"something\":\"else\"}"},
		},
		[]string{
			`> 1 kamailio-rpc/tcp id=1 user=  core.echo "[\"}]\\\"{\"]"`,
			`< 1 kamailio-rpc/tcp id=1 0 "" "[\"}]\\\"{\"]" ok`,
			`> 2 kamailio-rpc/tcp id= user=  no.such ""`,
			`> 3 kamailio-rpc/tcp id=b user=  uac.reg_add "***" secret`,
			`< 3 kamailio-rpc/tcp id=b 0 "" "***" ok hidden`,
			`< 2 kamailio-rpc/tcp id= -32601 "Method Not Found" "{\"code\":-32601,\"message\":\"Method Not Found\"}"`,
			`< 0 rpc/tcp id=7 0 "" "***" ok hidden`,
			`> 4 opensips-mi/tcp id= user=  uptime "" noreply`,
		},
		mi.Stats{Requests: 4, Replies: 4, Strays: 1, Malformed: 1},
	},
}

// A program that FreeSWITCH has called works on one channel: the Call-ID of that is in the reply
// to connect, percent-encoded, and everything after it is about it.
func TestEventSocketOfAChannel(t *testing.T) {
	for _, tt := range []struct{ id, want string }{
		{"a84b4c%40192.0.2.1", "a84b4c@192.0.2.1"},
		{"plain@host", "plain@host"},
		{"bad%4", ""},
		{strings.Repeat("x", 201), ""},
	} {
		h := &calls{}
		c := mi.NewConn(mi.ESL, h)
		for _, p := range []piece{
			{0, "connect\n\n"},
			{1, "Event-Name: CHANNEL_DATA\nUnique-ID: 4e1b\nvariable_sip_call_id: " + tt.id + "\nContent-Type: command/reply\nReply-Text: %2BOK%0A\nControl: full\n\n"},
			{0, "sendmsg\ncall-command: hangup\n\n"},
			{1, "Content-Type: command/reply\nReply-Text: +OK\n\n"},
		} {
			c.Write(p.dir, []byte(p.text))
		}
		if want := []string{"> ", "< " + tt.want, "> " + tt.want, "< " + tt.want}; !slices.Equal(h.lines, want) {
			t.Errorf("%q: %q, want %q", tt.id, h.lines, want)
		}
	}
}

// calls is a Handler that writes down which call it is told of.
type calls struct{ lines []string }

func (c *calls) Request(r *mi.Request) { c.lines = append(c.lines, "> "+r.Call) }
func (c *calls) Reply(r *mi.Reply)     { c.lines = append(c.lines, "< "+r.Call) }

// After a gap a message of JSON-RPC begins where a segment does.
func TestStreamAfterGap(t *testing.T) {
	l := &log{}
	c := mi.NewConn(mi.Stream, l)
	c.Write(0, []byte(`{"jsonrpc":"2.0","method":"core.uptime","par`))
	c.Gap(0, 10)
	c.Write(0, []byte(`x"],"id":1}`))
	c.Write(0, []byte(`{"jsonrpc":"2.0","method":"core.version","id":2}`))
	c.Gap(1, -1)
	c.Write(1, []byte(`{"jsonrpc":"2.0","result":"5.6.3","id":2}`))
	c.Write(1, []byte("what is no JSON\n"))
	c.Write(1, []byte(`{"jsonrpc":"2.0","result":"late","id":3}`))
	c.End()
	diff(t, l.lines, []string{`> 1 kamailio-rpc/tcp id=2 user=  core.version ""`, `< 1 kamailio-rpc/tcp id=2 0 "" "\"5.6.3\"" ok`, `< 0 rpc/tcp id=3 0 "" "***" ok hidden`})
}

// play gives a Conn the pieces, each cut in parts of at most n octets.
func play(kind mi.Transport, pieces []piece, n int) (*log, *mi.Conn) {
	l := &log{}
	c := mi.NewConn(kind, l)
	for _, p := range pieces {
		for t := p.text; t != ""; {
			k := min(n, len(t))
			c.Write(p.dir, []byte(t[:k]))
			t = t[k:]
		}
	}
	return l, c
}

func diff(t *testing.T, got, want []string) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			t.Errorf("%d: nothing, want\n%s", i, want[i])
		case i >= len(want):
			t.Errorf("%d: %s\nwant nothing", i, got[i])
		case got[i] != want[i]:
			t.Errorf("%d: got\n%s\nwant\n%s", i, got[i], want[i])
		}
	}
}

func TestConn(t *testing.T) {
	for _, x := range transcripts {
		t.Run(x.name, func(t *testing.T) {
			for _, n := range []int{1 << 20, 1, 2, 7} {
				l, c := play(x.kind, x.pieces, n)
				c.End()
				diff(t, l.lines, x.want)
				c.Stats.Skipped = 0 // empty lines
				if c.Stats != x.stats {
					t.Errorf("in parts of %d: %+v, want %+v", n, c.Stats, x.stats)
				}
				if t.Failed() {
					return
				}
			}
		})
	}
}

// TestConnSplitAndTruncated splits each piece at every octet, and ends it there.
func TestConnSplitAndTruncated(t *testing.T) {
	for _, x := range transcripts {
		for i, p := range x.pieces {
			for k := range len(p.text) {
				pieces := slices.Clone(x.pieces)
				pieces[i].text = p.text[:k]
				pieces = slices.Insert(pieces, i+1, piece{p.dir, p.text[k:]})
				if l, _ := play(x.kind, pieces, 1<<20); !slices.Equal(l.lines, x.want) {
					t.Fatalf("%s: piece %d split at %d: %q", x.name, i, k, l.lines)
				}
				l, c := play(x.kind, pieces[:i+1], 1<<20)
				c.End()
				if len(l.lines) > len(x.want) || !slices.Equal(l.lines, x.want[:len(l.lines)]) {
					t.Fatalf("%s: piece %d ended at %d: %q", x.name, i, k, l.lines)
				}
			}
		}
	}
}

// TestConnGap loses a part of every piece: no secret may show for that, and the
// last exchanges, after a while, must be understood again.
func TestConnGap(t *testing.T) {
	for _, x := range transcripts[:4] {
		for i, p := range x.pieces {
			for _, size := range []int64{5, 0} {
				for k := 0; k+5 <= len(p.text); k++ {
					l := &log{}
					c := mi.NewConn(x.kind, l)
					for j, q := range x.pieces {
						if j != i {
							c.Write(q.dir, []byte(q.text))
							continue
						}
						c.Write(q.dir, []byte(q.text[:k]))
						c.Gap(q.dir, size)
						c.Write(q.dir, []byte(q.text[k+5:]))
					}
					c.End()
					all := strings.Join(l.lines, "\n")
					if named := cutsName(p.text, k); strings.Contains(all, "hunter2") && !named {
						t.Fatalf("%s: piece %d, gap of %d at %d:\n%s", x.name, i, size, k, all)
					}
				}
			}
		}
	}
}

// cutsName says whether a gap of 5 octets at k harms the word that makes what
// follows a secret: then nobody can know.
func cutsName(text string, k int) bool {
	end := strings.Index(text, "hunter2")
	return end >= 0 && k < end
}

func TestConnAfterGap(t *testing.T) {
	l := &log{}
	c := mi.NewConn(mi.ESL, l)
	c.Write(0, []byte("api one\n\n"))
	c.Gap(1, 0)
	c.Write(1, []byte("ength: 3\n\nabc"))                                                 // nobody knows what that was
	c.Write(1, []byte("Content-Type: command/reply\nReply-Text: +OK\n\n"))                // swallowed: lost until an empty line
	c.Write(0, []byte("api two\n\n"))                                                     //
	c.Write(1, []byte("Content-Type: command/reply\nReply-Text: +OK what\n\n"))           // does not fit: a stray
	c.Write(1, []byte("Content-Type: api/response\nContent-Length: 2\n\n+Y"))             // fits
	c.Write(0, []byte("api three\n\n"))                                                   //
	c.Write(1, []byte("Content-Type: api/response\nContent-Length: 300\n\npassword=abc")) // a gap inside a body
	c.Gap(1, 200)
	c.Write(1, []byte(strings.Repeat("x", 88)))
	c.Write(0, []byte("log\n\n"))
	c.Write(1, []byte("Content-Type: command/reply\nReply-Text: +OK\n\n"))
	c.End()
	diff(t, l.lines, []string{
		`> 1 freeswitch-esl/esl id= user= api one ""`,
		`> 2 freeswitch-esl/esl id= user= api two ""`,
		`< 0 freeswitch-esl/esl id= 0 "" "" ok hidden`,
		`< 2 freeswitch-esl/esl id= 0 "+Y" "+Y" ok`,
		`> 3 freeswitch-esl/esl id= user= api three ""`,
		`< 3 freeswitch-esl/esl id= 0 "" "password=***" ok cut`,
		`> 4 freeswitch-esl/esl id= user= log log ""`,
		`< 4 freeswitch-esl/esl id= 0 "+OK" "" ok`,
	})
	if c.Stats.Unpaired != 1 || c.Stats.Strays != 1 {
		t.Errorf("%+v", c.Stats)
	}
}

// TestConnLong sends messages that are longer than what is kept.
func TestConnLong(t *testing.T) {
	rows := strings.Repeat("a row of the output\n", 2000)
	l, c := play(mi.AMI, []piece{
		{0, crlf("Action: Command\nCommand: core show channels\nActionID: 1\n\n")},
		{1, "Response: Follows\r\nPrivilege: Command\r\nActionID: 1\r\n" + rows + "\n" + rows + "--END COMMAND--\r\n\r\n"},
		{0, crlf("Action: Ping\n\n")},
		{1, crlf("Response: Success\nPing: Pong\n\n")},
	}, 1000)
	c.End()
	if len(l.lines) != 4 || l.lines[3] != `< 2 asterisk-ami/ami id= 0 "Success" "Ping: Pong" ok` || !strings.HasSuffix(l.lines[1], " ok cut") {
		t.Errorf("%.300q", l.lines)
	}
	l, c = play(mi.ESL, []piece{
		{0, "api show channels\n\n"},
		{1, fmt.Sprintf("Content-Type: api/response\nContent-Length: %d\n\n%s", len(rows), rows)},
		{0, "api status\n\n"},
		{1, "Content-Type: api/response\nContent-Length: 2\n\nUP"},
	}, 1000)
	c.End()
	if len(l.lines) != 4 || l.lines[3] != `< 2 freeswitch-esl/esl id= 0 "" "UP" ok` || !strings.HasSuffix(l.lines[1], " ok cut") {
		t.Errorf("%.300q", l.lines)
	}
}

func TestConnEndless(t *testing.T) {
	for _, kind := range []mi.Transport{mi.ESL, mi.AMI, mi.BinRPC, mi.Stream} {
		l := &log{}
		c := mi.NewConn(kind, l)
		for range 1000 {
			c.Write(0, []byte("api x\n\n"))
			c.Write(0, []byte("Action: Ping\r\nActionID: 1\r\n\r\n"))
			c.Write(0, []byte(`{"jsonrpc":"2.0","method":"core.info","id":1}`))
		}
		c.End()
		if c.Stats.Requests > 2000 || c.Stats.Replies != 0 || len(l.lines) != int(c.Stats.Requests) {
			t.Errorf("%v: %+v", kind, c.Stats)
		}
	}
}

func TestEventsAllocateNothing(t *testing.T) {
	for kind, text := range map[mi.Transport]string{
		mi.AMI: crlf("Event: VarSet\nPrivilege: dialplan,all\nChannel: PJSIP/100-1\nVariable: X\nValue: 1\n\n"),
		mi.ESL: "Content-Length: 40\nContent-Type: text/event-plain\n\nEvent-Name: HEARTBEAT\nEvent-Sequence: 5\n\n",
	} {
		c := mi.NewConn(kind, &log{})
		b := []byte(text)
		c.Write(1, b)
		if n := testing.AllocsPerRun(100, func() { c.Write(1, b) }); n != 0 {
			t.Errorf("%v: %v allocations", kind, n)
		}
		if c.Stats.Events != 102 {
			t.Errorf("%v: %d events", kind, c.Stats.Events)
		}
	}
}

func TestFront(t *testing.T) {
	for _, x := range []struct {
		text string
		want mi.Transport
		more bool
	}{
		{"Content-Type: auth/request\n\n", mi.ESL, false},
		{"Content-Type: text/rude-rejection\nContent-Length: 24\n\n", mi.ESL, false},
		{"connect\n\n", mi.ESL, false},
		{"connect\r\n\r\n", mi.ESL, false},
		{"Asterisk Call Manager/5.0.1\r\n", mi.AMI, false},
		{"ACTION: LOGIN\r\n", mi.AMI, false},
		{"Response: Success\r\n", mi.AMI, false},
		{"\xa1\x03\x0fg\x19Y\xf4\x91\rcore.version\x00", mi.BinRPC, false},
		{`{"jsonrpc":"2.0","method":"core.info","id":1}`, mi.Stream, false},
		{"[ {\"method\": \"uptime\", \"jsonrpc\": \"2.0\"}, ", mi.Stream, false},
		{`{"jsonrpc":"2.0","method":"core.info"`, 0, true},
		{"[", 0, true},
		{`{"jsonrpc":"2.0","result":"ok","id":1}`, 0, false},
		{`{"method":"core.info","id":1}`, 0, false},
		{"[1,2]", 0, false},
		{"", 0, true},
		{"A", 0, true},
		{"\xa1\x03\x0fg\x19Y\xf4\x91\rcore.ver", 0, true},
		{"Content-Type: application/sdp\r\n", 0, false},
		{"CONNECT example.org:443 HTTP/1.1\r\n", 0, false},
		{"AUTH TLS\r\n", 0, false},
		{"Response: 42\r\n", 0, false},
		{"\xa1\x03\x01g\x19Y\xf4\x91\rcore.version\x00", 0, false},
		{"\xa1\x23\x0fg\x19Y\xf4\x91\rcore.version\x00", 0, false},
		{"\xa1\x13!g\x19Y\xf4\x91\x1fkamailio", 0, false},
		{"INVITE sip:a@b SIP/2.0\r\n", 0, false},
	} {
		if got, more := mi.Front([]byte(x.text)); got != x.want || more != x.more {
			t.Errorf("%q: %v %v, want %v %v", x.text, got, more, x.want, x.more)
		}
	}
	b := []byte("Content-Type: auth/request\n\n")
	if n := testing.AllocsPerRun(100, func() { mi.Front(b) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
