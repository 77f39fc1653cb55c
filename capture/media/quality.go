package media

import (
	"math"
	"strings"
	"time"
)

// impairment is what the E-model wants to know of a codec.
type impairment struct {
	ie   float64 // equipment impairment factor without loss
	bpl  float64 // packet-loss robustness factor
	wide bool    // ie is on the wideband scale, whose best R is 129 (G.107.1)
}

// impairmentOf returns the figures of ITU-T G.113 Appendix I (Appendix IV for
// wideband), by the encoding name of SDP in upper case. Those marked ~ are not
// in G.113 and are taken from the nearest codec that is.
func impairmentOf(codec string) impairment {
	switch codec {
	case "PCMU", "PCMA", "L16", "L8":
		return impairment{ie: 0, bpl: 25.1} // with packet loss concealment
	case "PCMU-NOPLC", "PCMA-NOPLC":
		return impairment{ie: 0, bpl: 4.3}
	case "G729", "G729A", "G729B":
		return impairment{ie: 11, bpl: 19}
	case "G723":
		return impairment{ie: 15, bpl: 16.1} // 6.3 kbit/s
	case "G728":
		return impairment{ie: 7, bpl: 19} // ~ bpl
	case "G726-40":
		return impairment{ie: 2, bpl: 10} // ~ bpl
	case "G726-32", "DVI4":
		return impairment{ie: 7, bpl: 10} // ~ bpl
	case "G726-24":
		return impairment{ie: 25, bpl: 10} // ~ bpl
	case "G726-16":
		return impairment{ie: 50, bpl: 10} // ~ bpl
	case "GSM":
		return impairment{ie: 20, bpl: 10} // full rate; ~ bpl
	case "GSM-HR-08":
		return impairment{ie: 23, bpl: 10} // half rate; ~ bpl
	case "GSM-EFR", "AMR":
		return impairment{ie: 5, bpl: 10} // AMR at 12.2 kbit/s is EFR
	case "ILBC":
		return impairment{ie: 11, bpl: 32} // ~
	case "G722":
		return impairment{ie: 13, bpl: 4.3, wide: true} // 64 kbit/s; ~ bpl
	case "AMR-WB":
		return impairment{ie: 13, bpl: 4.3, wide: true} // 12.65 kbit/s; ~ bpl
	case "OPUS", "EVS":
		return impairment{ie: 5, bpl: 10, wide: true} // ~
	}
	return impairment{ie: 7, bpl: 10} // ~ unknown codec: neither good nor bad
}

// Quality estimates by the E-model (ITU-T G.107) how good speech sounds:
// rating factor R, 0 to 100, and mean opinion score, 1 to 4.5.
//
//	R = 93.2 - Id - Ie,eff                                       G.107 3.1, all else at its default
//	Ie,eff = Ie + (95 - Ie) x Ppl / (Ppl/BurstR + Bpl)           G.107 3.5
//	Id = 0.024 d + 0.11 (d - 177.3) where d > 177.3 ms           G.107 3.4, simplified (Cole and Rosenbluth), no echo
//	MOS = 1 + 0.035 R + R (R - 60) (100 - R) x 7e-6              G.107 Annex B
//
// codec is the encoding name of SDP, in any case; for one it does not know it
// assumes a middling one. lossPercent and burstRatio are those of the interval
// that is rated (Snapshot.LossSince), not of the call. delay is the one-way
// delay of the network as far as it is known, 0 when it is not. To it comes
// the receiver's jitter buffer, taken as twice the jitter: an adaptive one
// that loses no packet for being late.
//
// Wideband codecs are rated on the scale of G.107.1, whose best R is 129, and
// R is then divided by 1.29 to be comparable.
func Quality(codec string, lossPercent, burstRatio float64, delay, jitter time.Duration) (r, mos float64) {
	im := impairmentOf(strings.ToUpper(codec))
	loss := clamp(lossPercent, 0, 100)
	burst := max(clamp(burstRatio, 1, 1000), 1)
	d := clamp((delay+2*jitter).Seconds()*1000, 0, 1e6)
	id := 0.024 * d
	if d > 177.3 {
		id += 0.11 * (d - 177.3)
	}
	effective := im.ie
	if loss > 0 {
		effective += (95 - im.ie) * loss / (loss/burst + im.bpl)
	}
	if im.wide {
		r = (129 - id - effective) / 1.29
	} else {
		r = 93.2 - id - effective
	}
	r = clamp(r, 0, 100)
	mos = 1 + 0.035*r + r*(r-60)*(100-r)*7e-6
	return r, clamp(mos, 1, 4.5)
}

// clamp returns v within lo and hi, and lo when v is not a number.
func clamp(v, lo, hi float64) float64 {
	if math.IsNaN(v) {
		return lo
	}
	return min(max(v, lo), hi)
}
