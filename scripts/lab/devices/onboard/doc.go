// Package onboard holds the tests that run in the guest of package devices: the
// conformance suites of haltest with the real drivers. Elsewhere they do not run.
package onboard
