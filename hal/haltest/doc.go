// Package haltest holds fakes of hal's interfaces, for tests that need a panel
// but no hardware, and the conformance suites that the fakes and every real
// implementation pass.
//
// The suites run in real time, so that they also serve on hardware, but they
// wait for what must happen and never for a while.
package haltest
