//go:build race

package main

// raceDetector says that the test runs under the race detector, ten times as long.
const raceDetector = true
