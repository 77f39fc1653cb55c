// Package console is the probe's command shell, over anything that carries octets
// both ways: a serial line, a unix socket, a pipe. It edits the configuration,
// shows what the probe counts and what its newest records say, and draws calls.
//
// # The line
//
// The shell writes printable text, CR, LF, BS and BEL, and nothing else: it needs
// no terminal type. A line that is longer than the terminal is wide is
// shown through a window that moves. Of what comes in it knows the usual control
// characters and the cursor keys of ANSI terminals (ECMA-48); what it does not
// know, such as the NULs of a break, it passes over. A line has at most MaxLine
// characters: a longer one is refused, not cut.
//
// A terminal may say how large it is, at any time, with the report
// CSI 8 ; ROWS ; COLUMNS t (xterm's, in answer to CSI 18 t). Until one does it
// has 24 rows of 80 columns. With 0 rows nobody is looking: no prompt, no echo,
// no pages, and the last octet before the end is ACK (0x06) when every command
// did what it was told, or NAK (0x15). `heptap console` is the other side of this.
//
// # The configuration
//
// Each session has a candidate of its own, made of the running configuration
// by its first change. commit checks it, and puts it to work if the running one is
// still the one that it was made of; otherwise the session is told who was faster,
// and update puts its changes on top of theirs. What was running is kept, the
// newest MaxHistory of them, in files of mode 0600. A commit that has to be
// confirmed is not written to the configuration file before it is: a probe that is
// begun anew meanwhile, be it by a power cut, begins with the old one.
//
// # What it shows
//
// Counters come from the stages themselves (Live); records from package recent, so
// that lists and ladders go back as far as that does. A field that where names is one
// that all records have, one of SIP, or a member of the record's JSON object; in a view of
// what runs (view) it is one of those that its items have, and any other is refused. A ladder
// has the hosts as columns, those of SIP left, and an arrow for each record: - SIP,
// = connections, ~ RTP, . everything else; what is only likely has ? and its score.
// What runs may be replaced at any time, so each command asks for it anew.
//
// # Bounds
//
// A command's output is at most maxOutput octets, what it looks at in the recent
// records passes by in pieces, and lists say how much more there is. A session
// holds no lock while it writes, so one that nobody reads holds up nobody else.
package console
