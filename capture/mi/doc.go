// Package mi reads the management commands of SIP platforms off the wire: who
// asked which platform for what, with which parameters, and what it answered.
// It opens no connection, holds no state but a Conn's, and never gives the text
// of a secret: parameters and output are masked (package mask), and where a
// command deals in secrets by its nature, hidden as a whole.
//
//	platform    carried by             source of the format
//	OpenSIPS    JSON-RPC 2.0 over      modules mi_http, mi_datagram (3.x)
//	            HTTP POST and UDP
//	            GET /json/COMMAND      module mi_json (2.x)
//	            GET /mi/MODULE/COMMAND module mi_html (mi_http of 2.x)
//	            XML-RPC                modules mi_xmlrpc, mi_xmlrpc_ng
//	            lines over UDP         module mi_datagram (1.x, 2.x)
//	Kamailio    JSON-RPC 2.0 over      module jsonrpcs
//	            HTTP, UDP and TCP
//	            XML-RPC                module xmlrpc
//	            binrpc over TCP, UDP   module ctl, binrpc.h
//	FreeSWITCH  event socket, TCP      mod_event_socket; XML-RPC of mod_xml_rpc
//	Asterisk    manager interface, TCP AMI, doc/manager of Asterisk
//
// JSON-RPC and XML-RPC look the same whoever speaks them. Kamailio's names have
// a dot (core.version), OpenSIPS's have none (get_statistics); where neither the
// name nor the path says whose it is, the backend is AnyRPC.
//
// # Three ways in
//
// A datagram: IsDatagram says whether to call DatagramRequest or, with the Tag
// of the request, DatagramReply. HTTP, whose framing is another package's:
// HTTPRequest and HTTPReply. A TCP stream: Front says which Conn to make.
//
// The JSON that Params and Output hold is that of the wire for JSON-RPC, and is
// made from binrpc and XML-RPC records: [1,"a",{"name":2}].
//
// # Limits
//
// A request has at most MaxParams octets of parameters, a reply MaxOutput of
// output, a body MaxBatch commands. A Conn keeps at most 2 x 16 KiB of unread
// octets, 64 requests without reply and 64 background jobs. What nests deeper
// than 32 levels is taken for malformed.
//
// # What is hidden
//
// A request is Secret, and neither its parameters nor its reply are shown, if
// its command is one that carries or tells credentials (AMI Login, event socket
// auth, uac.reg_add, ...), or if a parameter names a secret without being its
// value's label: getvar sip_auth_password, database get trunk secret. A reply
// whose request was not seen is hidden as well: nobody can tell.
package mi
