// Package buffertest holds what every spool must pass: a model test that does
// the same random things to a spool and to a slice in memory, a crash harness
// that kills a writing child again and again, and the integrity check that
// runs after every test. It is for tests only.
package buffertest
