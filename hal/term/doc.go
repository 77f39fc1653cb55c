// Package term is the panel of the simulated board: LEDs drawn on a terminal,
// and a button that is a key.
//
// On a terminal the lights are one line that is redrawn in place, at most ten
// times a second. Anything else that is written there must go through Writer,
// which moves the line out of the way. When the output is not a terminal, a
// line is printed whenever the words that the lights stand for change (see
// hal.Annotator), and nothing for each blink.
//
// A terminal tells when a key goes down and not when it goes up, so:
//
//	space, b   a short press
//	h          presses and holds; h again lets go
//
// Open puts the terminal into raw mode, in which keys arrive at once and are
// not echoed, but leaves it its signals and its output processing: Ctrl-C still
// interrupts, and lines written by others still begin at the left. The mode is
// put back by Close, and by Run when it returns for whatever reason. That
// covers a signal, if it ends Run's context, and a panic on the goroutine that
// defers Close; a panic elsewhere kills the process as it stands, as SIGKILL
// does, and then "stty sane" helps.
package term
