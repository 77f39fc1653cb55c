// Package neighbour reads the frames in which the devices at the other end of a
// cable present themselves: LLDP (IEEE 802.1AB-2016) and Cisco's discovery
// protocol CDP, and keeps the neighbours of one port in a bounded Table.
//
//	LLDP   addresses, ethertype 0x88cc, then TLVs: 7 bits of type, 9 of length.
//	       The first three are chassis id, port id and time to live (8.5, 9.2.7.7)
//	CDP    addresses, 802.3 length, LLC and SNAP aa aa 03 00 00 0c 20 00, version,
//	       time to live, checksum (16 bits), then TLVs: 16 bits of type, 16 of
//	       length, which counts these four octets too
//
// Both may be behind VLAN tags. CDP has no public standard; this is as Wireshark
// and tcpdump read it. Its checksum is not looked at: the frame has one already, and
// Cisco's differs from the Internet's for odd lengths.
//
// A bridge does not forward these frames (802.1AB 7.1): on a cable that leads to a
// switch they are from that switch. On a mirror port it is the switch that decides
// whether frames of the ports that are mirrored come too, and these may name
// anybody's neighbour.
package neighbour
