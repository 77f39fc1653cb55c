// Package hal is what the probe knows of the box it runs on: interfaces and
// value types for lights, buttons, network links and the like, and the little
// logic that is the same whatever the hardware is reached by.
//
// It opens nothing. Each way of reaching hardware is a package below this one
// (periphgpio, term, links, ...), named only where package main puts the parts
// together. haltest holds the fakes and the conformance suites that every
// implementation passes; what those suites check is the contract, what the
// interface comments call undefined is not.
package hal
