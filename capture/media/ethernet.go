package media

import "heptap/capture"

// Limits of ethernets.
const (
	maxEthernets  = 4096
	ethernetBytes = 64 // that one takes, the map's share included
)

// ethernets numbers pairs of Ethernet addresses, so that a stream needs two octets
// for them: many streams go between few stations. Number 0 is none, and what there
// are no numbers left for.
type ethernets struct {
	numbers map[capture.Ethernet]uint16
	list    []capture.Ethernet
}

func (e *ethernets) number(a capture.Ethernet) uint16 {
	if a == (capture.Ethernet{}) {
		return 0
	}
	n := e.numbers[a]
	if n == 0 && len(e.list) < maxEthernets {
		if e.numbers == nil {
			e.numbers = make(map[capture.Ethernet]uint16)
		}
		e.list = append(e.list, a)
		n = uint16(len(e.list))
		e.numbers[a] = n
	}
	return n
}

func (e *ethernets) get(n uint16) (a capture.Ethernet) {
	if n > 0 {
		a = e.list[n-1]
	}
	return a
}
