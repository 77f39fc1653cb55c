package mirror

import "time"

// CommonLoss watches whether streams lose packets together. What only one
// stream's path does to it, the others do not feel; what the mirror drops, or
// a link that all of them share, hits all of them at once.
//
// It is fed with each stream's deltas, one per stream and interval, which may
// end at any phase. So a moment's loss shows in the reports of one interval's
// length, that is in two neighbouring buckets, and these are judged together.
type CommonLoss struct {
	interval int64
	start    int64 // of the bucket being filled; Mono
	begun    bool

	now, before bucket
	last        bucket  // as before, which is empty after a common instant
	baseline    float64 // share of stream intervals with loss, while nothing common happens
	total       Common
	chance      float64
	swing, even float64 // Common's Swing and Even, before rounding
}

type bucket struct {
	streams, lossy int
	lost           uint64
}

// Common are CommonLoss's running totals. Instants are moments with at least
// four streams; a common one is a moment at which nine of ten lost something.
type Common struct {
	Instants       uint64
	CommonInstants uint64
	Chance         uint64 // how many of Instants would be common if streams lost on their own, in 1/1000
	Streams        uint64 // stream intervals in Instants
	Lossy          uint64 // of Streams: with loss
	Lost           uint64 // packets, in Streams
	LostCommon     uint64 // of Lost: in common instants
	Swing          uint64 // how much the number of streams with loss changed from instant to instant, squared, in 1/1000
	Even           uint64 // how much of that streams make that lose on their own
}

const (
	commonStreams  = 4   // fewer are not a crowd
	commonBaseline = .02 // to begin with
	commonWeight   = 1. / 16
)

// NewCommonLoss returns a CommonLoss for streams that report every interval,
// 2 s if it is 0.
func NewCommonLoss(interval time.Duration) *CommonLoss {
	if interval <= 0 {
		interval = 2 * time.Second
	}
	return &CommonLoss{interval: int64(interval), baseline: commonBaseline}
}

// Add counts a stream's interval that ended at mono: missing of expected
// packets did not come. Intervals that end before those already closed count
// with the one that is open.
func (c *CommonLoss) Add(mono int64, expected, missing uint64) {
	c.Tick(mono)
	if expected == 0 {
		return
	}
	c.now.streams++
	if missing > 0 {
		c.now.lossy++
		c.now.lost += min(missing, expected)
	}
}

// Tick closes the intervals that have ended by mono. Call it once a second, so
// that silence has an end too.
func (c *CommonLoss) Tick(mono int64) {
	switch since := mono - c.start; {
	case !c.begun, since >= 8*c.interval, since <= -8*c.interval: // a pause or another clock
		c.begun, c.start = true, mono
		c.now, c.before, c.last = bucket{}, bucket{}, bucket{}
	default:
		for ; since >= c.interval; since -= c.interval {
			c.close()
			c.start += c.interval
		}
	}
}

// close judges the last two buckets and begins the next.
func (c *CommonLoss) close() {
	c.compare()
	common := c.instant()
	c.last = c.now
	c.before, c.now = c.now, bucket{}
	if common {
		c.before = bucket{} // one moment is not counted twice
	}
}

// instant counts the last two buckets and reports whether nearly all streams
// lost something in them.
func (c *CommonLoss) instant() bool {
	n := max(c.now.streams, c.before.streams)
	if n < commonStreams {
		return false
	}
	most := n - n/10
	c.chance += 1000 * atLeast(most, n, 1-(1-c.baseline)*(1-c.baseline))
	t := &c.total
	t.Chance = uint64(c.chance)
	t.Instants++
	t.Streams += uint64(c.now.streams)
	t.Lossy += uint64(c.now.lossy)
	t.Lost += c.now.lost
	if c.now.lossy+c.before.lossy < most {
		c.baseline += (float64(c.now.lossy)/float64(max(1, c.now.streams)) - c.baseline) * commonWeight
		return false
	}
	t.CommonInstants++
	t.LostCommon += c.now.lost + c.before.lost
	return true
}

// compare adds the change from the last bucket to this one. Of n streams that
// lose independently with chance q, the number that do changes by 2nq(1-q),
// squared, and less if some are worse than others; and it does not matter that
// streams come and go, as it would for the spread over a longer time.
func (c *CommonLoss) compare() {
	if c.now.streams < commonStreams || c.last.streams < commonStreams {
		return
	}
	n := float64(c.now.streams+c.last.streams) / 2
	a, b := float64(c.now.lossy)/float64(c.now.streams), float64(c.last.lossy)/float64(c.last.streams)
	q := (a + b) / 2
	c.swing += 1000 * n * (a - b) * (a - b)
	c.even += 1000 * 2 * q * (1 - q)
	c.total.Swing, c.total.Even = uint64(c.swing), uint64(c.even)
}

// Totals returns the running totals.
func (c *CommonLoss) Totals() Common { return c.total }
