// Package mask blanks secrets in text before the text goes into a record, for
// good: what is masked cannot be had back. It looks at names, not at what values
// look like: a value is a secret when its name says so (Secret).
//
// What is looked for, in any text whatever its declared type, since senders
// mislabel and put one format into another:
//
//	name=value      URL queries, forms, parameters, log lines
//	name: value     header fields, YAML; a value lasts to the end of the line
//	"name": value   JSON, with strings, numbers, objects and arrays as the value
//	<name>…</name>  XML elements with all that is in them, and attributes
//	name="password" value="…", {"name":"password","value":"…"},
//	<name>password</name><value>…</value>, form-data parts
//	                where the name is itself a value and comes first
//	scheme://user:password@ and sip:user:password@
//	inline:key      the master key of RFC 4568 in SDP; k= (RFC 4566 5.12)
//
// Letter case, white space around the separator, percent escapes, JSON's \u and
// XML's character references in the name change nothing; neither does JSON or a
// form that stands escaped in a string or a parameter, three levels deep. A
// value that is not closed, as in a text that was cut, is masked to the end.
//
// In doubt more is masked, never less. What it cannot know: a secret under a
// harmless name, one that comes before its name, and one whose name was cut off.
//
// Everything appends to the caller's buffer, allocates nothing else, takes time
// linear in the input, and appends at most Slack octets more than the input has.
package mask
