package trace

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"heptap/capture/record"
)

// manyRules are n rules that the records of mixed do not match, with conditions of
// all kinds.
func manyRules(n int) string {
	var b strings.Builder
	b.WriteString(groups)
	for i := range n {
		fmt.Fprintf(&b, "rule r%d deny %s\n", i, [...]string{"from trunks", "method NOTIFY,MESSAGE", "user +49301*,*99@x.example", "types rest,dns port 8080",
			"transport wss,sctp", "domain *.invalid", "host *.lan", "caller \\*31#*", "to 203.0.113.0/24,2001:db8::/32", "callee 0?1*"}[i%10])
	}
	return b.String()
}

// mixed are the records of one call with its media, and of something else.
func mixed(callID string) []*record.Record {
	return []*record.Record{invite(callID, phone, proxy), answer("180 Ringing", "INVITE", callID, proxy, phone), answer("200 OK", "INVITE", callID, proxy, phone),
		other(record.RTPReport, callID, "10.0.0.1:6000", "192.0.2.1:7000"), other(record.RTCP, callID, "10.0.0.1:6001", "192.0.2.1:7001", "x"), bye(callID, phone, proxy),
		request("OPTIONS", callID+"o", phone, proxy), other(record.Net, "1", phone, proxy, callID)}
}

func TestAllocs(t *testing.T) {
	e, err := New(config(t, manyRules(50)), Limits{Calls: 8, Idle: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	var records []*record.Record
	for i := range 40 { // more than there is room for
		records = append(records, mixed(fmt.Sprint(i))...)
	}
	if n := testing.AllocsPerRun(20, func() {
		for _, r := range records {
			e.Allow(r)
		}
	}); n != 0 {
		t.Errorf("%v allocations for %d records", n, len(records))
	}
	if st := e.Stats(); st.Evicted == 0 {
		t.Errorf("%+v", st)
	}
}

// BenchmarkAllow is the cost of one record: of known calls, and of new ones.
func BenchmarkAllow(b *testing.B) {
	for _, n := range []int{0, 1, 10, 50} {
		var e *Engine
		if n > 0 {
			var err error
			if e, err = New(config(b, manyRules(n)), Limits{Calls: 50000, Idle: time.Hour}); err != nil {
				b.Fatal(err)
			}
		}
		records := mixed("call")
		b.Run(fmt.Sprintf("known/rules=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				e.Allow(records[i%len(records)])
			}
		})
		inv, id := invite("0123456789abcdef@example.com", phone, proxy), []byte("0123456789abcdef@example.com")
		b.Run(fmt.Sprintf("new/rules=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				id[0], id[1], id[2], id[3] = byte(i), byte(i>>8), byte(i>>16), byte(i>>24)
				inv.Primary = id
				e.Allow(inv)
			}
		})
	}
}
