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
// Of several links of one type only the best go out: seen before flow before
// inferred, among the inferred the highest score. When several are as good, as
// the calls that one connection carried, the id is an array of strings:
// {"sip":["one@pc33","two@pc33"]}. OpenSIPS's own sender knows strings only; its
// reader stores the object as it is.
//
// HEP strings have no escape. A primary id goes out as it was on the wire; ids in
// chunk 0x65 are JSON strings, in which octets that are not UTF-8 become U+FFFD.
package export
