// Package soak has only tests: the real probe under floods of everything that
// makes it remember something. Its memory stays within the budget it printed at
// start, and what had to give way was counted. HEPTAP_LONG=1 takes ten minutes
// and prints a table of the counters and the resident size.
package soak
