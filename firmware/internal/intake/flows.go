package intake

import (
	"net/netip"
	"sync"

	"heptap/capture"
)

// maxFlows is of how many open connections of others the addresses are known.
const maxFlows = 8192

// flows knows where connections go whose records OpenSIPS has opened: when it
// closes them it says 127.0.0.2, port 0, for both ends. The oldest make room.
type flows struct {
	mu    sync.Mutex
	of    map[connKey]capture.FiveTuple // guarded by mu
	order [maxFlows]connKey             // guarded by mu: a ring, of those put in
	next  int                           // guarded by mu
}

// connKey is a connection's id, of an agent.
type connKey struct {
	agent uint64
	id    string
}

func newFlows() *flows { return &flows{of: make(map[connKey]capture.FiveTuple)} }

// repair remembers the flow of a connection that opens, and gives one that
// closes without its addresses what was remembered. It reports whether it did.
func (f *flows) repair(agent uint64, id []byte, event string, flow *capture.FiveTuple) bool {
	if len(id) == 0 || len(id) > 64 {
		return false
	}
	lost := placeholder(flow.Src) && placeholder(flow.Dst)
	f.mu.Lock()
	defer f.mu.Unlock()
	k := connKey{agent, string(id)}
	known, have := f.of[k]
	if event == "CLOSED" {
		delete(f.of, k)
	} else if !lost {
		if !have {
			delete(f.of, f.order[f.next])
			f.order[f.next] = k
			f.next = (f.next + 1) % maxFlows
		}
		f.of[k] = *flow
	}
	if !lost || !have {
		return false
	}
	proto := flow.Proto
	*flow = known
	flow.Proto = proto
	return true
}

// placeholder reports whether a is what OpenSIPS writes instead of an address.
func placeholder(a netip.AddrPort) bool {
	return a.Port() == 0 && (a.Addr().IsLoopback() || a.Addr().IsUnspecified())
}
