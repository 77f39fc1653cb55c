package infer

// priors are what is assumed of queries before any was seen: half of them
// belong to a call, nearly always one that the host is working on, and
// candidates by chance are spread over time evenly.
type priors struct{ query, leg, keyless rates }

// Shares of cells, by sort of query.
type prior struct {
	share      float32 // of queries that have a true candidate
	chance     float32 // candidates by chance, for a query
	role       [2][numRoles]float32
	roleChance [2][numRoles]float32
}

func newPriors(horizonMillis float32) *priors {
	numbers := [2][numRoles]float32{}
	byChance := [2][numRoles]float32{}
	for o := range 2 {
		numbers[o] = [numRoles]float32{called: 0.4, caller: 0.25, called | caller: 0.3, other: 0.02, other | called: 0.02, other | caller: 0.01}
		byChance[o] = [numRoles]float32{called: 0.4, caller: 0.4, called | caller: 0.05, other: 0.13, other | called: 0.01, other | caller: 0.01}
	}
	legsByChance := [2][numRoles]float32{}
	legs := [2][numRoles]float32{}
	for o := range 2 {
		legsByChance[o] = [numRoles]float32{called: 0.4, caller: 0.55, called | caller: 0.05, other: 0.001}
		legs[o] = [numRoles]float32{called: 0.15, caller: 0.05, called | caller: 0.6, other: 0.05, other | called: 0.05, other | caller: 0.05, other | called | caller: 0.05}
	}
	keyless := [2][numRoles]float32{{0: 1}, {0: 1}}
	p := &priors{}
	p.query.fill(prior{0.5, 0.5, numbers, byChance}, horizonMillis)
	p.leg.fill(prior{0.7, 0.5, legs, legsByChance}, horizonMillis)
	p.keyless.fill(prior{0.01, 1, keyless, keyless}, horizonMillis)
	return p
}

// fill spreads a prior over the cells.
func (r *rates) fill(p prior, horizon float32) {
	for i := range numWhen {
		var t, c float32
		switch {
		case i == whenEarly:
			t, c = 0.02, 10/horizon
		case i < whenDone:
			// Twelve cells from 0 to 2 s; chance as wide as the cell, but calls are seldom open for long.
			t, c = 0.88/openCells, max(float32(int(1)<<(i-whenOpen))/2/horizon, 0.0005)
			if i > whenOpen+8 {
				c = 0.02
			}
		default:
			t, c = 0.1/doneCells, 0.85/doneCells
		}
		r.chance.when[i] = c * p.chance
		r.seen.when[i] = t*p.share + c*p.chance
	}
	for o := range 2 {
		t, c := 0.9*p.share, 0.15*p.chance
		if o == 0 {
			t, c = 0.1*p.share, 0.85*p.chance
		}
		for i := range numRoles {
			r.chance.role[o][i] = c * p.roleChance[o][i]
			r.seen.role[o][i] = r.chance.role[o][i] + t*p.role[o][i]
		}
		for i := range numExtra {
			r.chance.extra[o][i] = c / numExtra
			r.seen.extra[o][i] = r.chance.extra[o][i] + t/numExtra
		}
	}
}
