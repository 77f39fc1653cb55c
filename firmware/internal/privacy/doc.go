// Package privacy makes records tell less of people, before they go into the log:
// numbers and names become pseudonyms, bodies and credentials are blanked. What
// a collector, the spool and the console have then is all there is.
//
// Everything is replaced in place and keeps its length, so that a message stays
// as valid as it was, Content-Length included, and JSON stays JSON. The ids that
// records are found and linked by are not touched, in the record's fields nor in
// its text; correlation has been made from what was on the wire, and is the
// same with privacy and without.
//
// # Numbers and names (Options.Key)
//
// The user parts of URIs, in a SIP message everywhere; the names beside them
// (display names) are blanked, numbers there replaced. In fields that are no
// addresses, in other text and in JSON, besides: whatever stands before @, words
// that were user parts lately, and 7 to 18 digits in a row, unless they look like a
// point in time or a UUID. In doubt more is replaced, never less; but a name that
// no URI had lately cannot be told from any other word. What only a program can
// read (ISUP and other binary bodies of SIP, the Identity of RFC 8224) is blanked, and
// chunks of other agents that nobody here reads are left out.
//
// # Bodies (Options.Bodies)
//
// Every body of SIP but SDP, REST's bodies, the Subject.
//
// # Credentials (Options.Credentials)
//
// What Digest authentication (RFC 7616) and bearer tokens consist of, but for realm
// and user name, the keys of SRTP in SDP (RFC 4568, 4567), and passwords in addresses, which
// go with the names, too. Of records other than SIP secrets never become part.
package privacy
