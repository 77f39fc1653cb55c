package rtp

// Payload types with a meaning of their own.
const (
	PayloadCN    = 13 // comfort noise, RFC 3389
	PayloadOldCN = 19 // comfort noise as drafts before RFC 3389 had it; reserved
)

// PayloadType is what RFC 3551 6 assigns to a payload type.
type PayloadType struct {
	Name  string // encoding name as SDP spells it, "" when none is assigned
	Clock uint32 // RTP timestamp units per second, 0 when none is assigned
}

// Static returns the assignment of payload type pt, which is zero for dynamic
// (96-127), reserved and unassigned ones. G.722's clock is 8000 although it
// samples at 16000 (RFC 3551 4.5.2).
func Static(pt uint8) PayloadType {
	if int(pt) < len(static) {
		return static[pt]
	}
	return PayloadType{}
}

var static = [...]PayloadType{
	0:  {"PCMU", 8000},
	3:  {"GSM", 8000},
	4:  {"G723", 8000},
	5:  {"DVI4", 8000},
	6:  {"DVI4", 16000},
	7:  {"LPC", 8000},
	8:  {"PCMA", 8000},
	9:  {"G722", 8000},
	10: {"L16", 44100}, // 2 channels
	11: {"L16", 44100},
	12: {"QCELP", 8000},
	13: {"CN", 8000},
	14: {"MPA", 90000},
	15: {"G728", 8000},
	16: {"DVI4", 11025},
	17: {"DVI4", 22050},
	18: {"G729", 8000},
	25: {"CelB", 90000},
	26: {"JPEG", 90000},
	28: {"nv", 90000},
	31: {"H261", 90000},
	32: {"MPV", 90000},
	33: {"MP2T", 90000},
	34: {"H263", 90000},
}
