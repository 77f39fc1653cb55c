// Package beyond makes notes of what is beside signalling.
package beyond
