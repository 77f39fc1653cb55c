// Package export makes HEP frames from neutral records, in the profile of the
// collector they go to. It is the only place that knows both vocabularies.
//
// A profile is applied when a record is sent, so that records already in the
// spool follow a change of configuration. The same record gives the same octets
// as long as the profile does not change.
//
// # Profile opensips
//
// What an OpenSIPS that traces to HEP would send (proto_hep, homer5_on=0),
// without its bugs:
//
//	0x0b type     the record's own: sip 1, rtcp 5, rtp report 34, ...
//	0x11          the record's primary id; absent when it has none
//	0x65          extra correlation ids, a JSON object of type name to id:
//	              {"sip":"a84b4c76e66710@pc33","net":"17640947659377874237"}
//	0x0f payload  SIP as it was on the wire, never wrapped in JSON; everything
//	              else as UTF-8 without NUL
//	addresses     those of the flow, for every record, ports in network order
//	0x02          the flow's IP protocol number
//	0x12 0x18 0x20 0x21   VLAN, TOS, MOS, R factor, when the record has them
//	0x0c 0x13 0x0e        agent id, node name and authentication key, from Options; of a record that
//	                      another agent made, id and name are its own and the payload goes out as it came
//
//	6874:0101     with Options.Sequence, the record's number: hep.Sequence
//	6874:0102     with Options.Clock, what is known of the clock: hep.Clock
//
// Of several links of one type only the best go out: seen before flow before
// inferred, among the inferred the highest score. When several are as good, as
// the calls that one connection carried, the id is an array of strings:
// {"sip":["one@pc33","two@pc33"]}. OpenSIPS's own sender knows strings only; its
// reader stores the object as it is. How a link was found has no place there: a payload whose call
// was inferred has "link" and "link_score" as its last members.
//
// # Profile homer7
//
// What heplify-server and Homer 7, neither of them changed, can store and show.
// The server has a table for SIP, RTCP (5), ISUP (54), log (100) and one for all
// other types (35); a call's transaction view has its SIP, RTCP and log records, and
// the QoS tab parses all of tables 5 and 35 as JSON, where one record that is
// none makes the charts of the call vanish. Nothing is stored without 0x11, except
// SIP and ISUP. heplify-server pastes 0x11, the node name and the key into JSON.
//
//	record                  type 0x0b  0x11
//	sip                     1          absent, so that the server's AlegIDs keep working;
//	                                   the other leg's Call-ID for a seen link to it
//	                                   with a Call-ID that no index of the server takes, as log
//	rtcp                    5          Call-ID; one frame for each call that shares the media
//	rtp report              34         Call-ID; the correlator makes one record for each call
//	isup of a circuit       54         the circuit; for each call a log record beside it
//	net rest mi dns log,    100        Call-ID; one frame for each call,
//	isup without circuit,              <type>@<node> when there is none
//	control                            of the two calls of a link between legs both
//
// A report whose payload is no JSON object goes out as a log record. A log record's
// payload is an object: what Homer has no column for, then the record's own members.
//
//	record      type name of the record
//	native_id   its primary id, unless that is a Call-ID
//	record_ts   when it was made, Unix seconds, if it is stamped otherwise
//	callid      the call, and how the link was found: link, link_score
//	text        the payload, if it was no JSON object
//	octets_cut  its size, if there was no room for it
//
// A record belongs to the calls of its best links: seen before flow before inferred.
// Of inferred ones it is the likeliest, none when two are, and 0x11 names it only with
// Options.Inferred; the payload does in any case. A frame for a call is stamped at the
// call's first message when the record says when that was, as the end of a connection
// does in "calls_at" and "others_at" (microseconds, one for each link), because Homer looks for a call's
// records around the call. Frames stop at maxCopies octets for one record.
//
// In 0x11 NUL and what is not UTF-8 are left out, as the server does with the SIP message, and
// quotes, backslashes and control characters are escaped as in JSON. For SIP that gives back the
// very id (a Call-ID with a quote in it is sent for that reason); a log record of such a call is
// stored, and found under the escaped id only. An id of more than 1,024 octets counts as none.
//
// Chunk 0x65 is as in profile opensips.
//
// # Identifiers
//
// HEP strings have no escape. In profile opensips a primary id goes out as it was on the wire; ids in
// chunk 0x65 are JSON strings, in which octets that are not UTF-8 become U+FFFD.
package export
