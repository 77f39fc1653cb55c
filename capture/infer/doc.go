// Package infer finds what belongs together when no id on the wire says so: the
// call that a host asked a REST or DNS query for, and the calls that are legs of
// one call through a B2BUA.
//
// It is told what happened at hosts, as plain values: requests that arrived
// (Arrived), what the host sent next (Sent), INVITEs without a dialog that left
// it (Placed), queries and their replies. It has one caller, one goroutine and no
// clock of its own. The same inputs give the same decisions.
//
// # How it decides
//
// A candidate is a request that arrived at the same host within Config.Horizon
// before the query, and has a number, user part or domain that the query's texts
// hold (tokens.read), or for legs a number in the same role or the SDP's session.
// Some are found by chance. How many is measured for each kind of query, by
// holding it against the requests of earlier times too; see template.go. Odds
// against chance come from
//
//	when      since the arrival or the reply to the last query of the same
//	          request, if the host had not yet gone on; else since it went on
//	key       called, caller, both; domain or SDP session
//	reply     where it lies to what the host sent next
//	SDP, Max-Forwards   of legs: addresses kept or replaced, one hop less
//
// and a candidate is linked if its share of all odds, no candidate at all being one of
// them, is at least Config.MinScore per cent. So two close candidates are no
// link, and neither is one of a kind of query that finds candidates no more often
// than chance does. A number that many calls share is found by chance more often, and
// counts less. If more than 64 remembered requests share it, it only confirms what other keys
// propose; if no other does, the latest 64 are the candidates, and the horizon is a third of what
// they cover, if that is at least 250 ms.
//
// A query without any key is linked only if its kind is known never to hold one
// (30 such queries seen) and to come when the host is working on a request (30 more), and
// there is exactly one such request.
//
// A decision is made when the reply has come and the host had 100 ms to go on,
// or after Config.Wait; always Config.Settle later, for inputs that come late. Of a leg:
// Config.Settle after it left.
//
// # What is claimed
//
// A Score of n says that of a hundred links with that score at least n are right, and it is
// tested: TestCalibration prints what was measured. On the workloads of the tests
// at least 99 of 100 links are right, in sum and of each kind of query of which a hundred were
// linked. That holds for hosts whose queries and calls come independently of each other where they do
// not belong together. What it does not know:
//
//   - A kind of query of which less than some dozen were seen is judged by what else
//     is asked of the same server, and by assumptions. In the first 24 s, and while the table is
//     too small for what arrives, the horizon is a third of what is remembered.
//   - A query that is made because of a call, but not for its setup (a dialogue on
//     an agent's screen, asked for by the same host), counts as the call's. Where that is held
//     to be wrong, the precision of the third workload is 0.93. Who does not want such links can
//     leave out what has the reason AfterAnswer.
//   - Hosts are addresses. Queries that go through another host are not linked, nor
//     those of a host that sends SIP from one address and asks from another.
//   - Calls that the host starts itself have no arrival, and no queries.
//   - A number in a text is whole, but for up to four digits in front. Prefixes and
//     hashes of numbers are not found.
//
// # Bounds
//
// Config.Starts requests are remembered, for three horizons; when there are more the
// oldest go, decoys that would reach back behind them are not made, and Evicted
// counts them. Config.Pending queries wait; when there are more the one that is
// due next is decided at once as TableFull. Config.Templates kinds are learned about; the
// one that was used longest ago goes. Of a text MaxText octets are read, 16 numbers and 16 words
// are looked up, 64 requests of each. All memory is taken by New, Call-IDs are copied
// into it, and nothing is allocated later.
package infer
