package beyond

import "heptap/capture/dissect"

// shown is what a connection is shown to that may have to make room for another: then this is all that is
// left of what followed it.
type shown struct{ to dissect.Follower }

// Write implements dissect.Follower.
func (s *shown) Write(dir int, at *dissect.At, n dissect.Numbers, p []byte) {
	if s.to != nil {
		s.to.Write(dir, at, n, p)
	}
}

// Gap implements dissect.Follower.
func (s *shown) Gap(dir int, n int64) {
	if s.to != nil {
		s.to.Gap(dir, n)
	}
}

// Cut implements dissect.Follower.
func (s *shown) Cut(dir int, at *dissect.At) {
	if s.to != nil {
		s.to.Cut(dir, at)
	}
}

// End implements dissect.Follower.
func (s *shown) End(e dissect.Ending) {
	if s.to != nil {
		s.to.End(e)
	}
}
