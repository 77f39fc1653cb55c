// Package config is the probe's configuration: text to a validated value and
// back.
//
// The text is a list of lines, each of the form
//
//	set WORD... VALUE
//
// where a few options take several words for a value. A word or value with blanks in it is put in double quotes, in which \" and
// \\ stand for themselves. What follows a # at the start of a word is a
// comment. Later lines win over earlier ones.
//
// One table, the schema, holds every option: its path, what it takes, its
// default, its help and how it is read and printed. The parser, the printer,
// `heptap config -h`, the reference page and the console's completion all
// walk that table, so none of them can disagree with another.
//
// Parse(Format(c)) equals c for every valid c.
package config
