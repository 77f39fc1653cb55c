package record

import "encoding/binary"

// Ref says where an id stands in a record's canonical form, and how the record
// came to it.
type Ref struct {
	Type     Type // of the record for its primary id, otherwise of the link
	How      How  // of a link
	Score    uint8
	Primary  bool
	Off, Len uint32 // octets, from the record's beginning
}

// Refs appends to refs where the ids of the record in b stand: the primary id,
// unless it is empty, and then the links in their order. It is for whoever
// keeps records that AppendBinary made and looks for ids in them: b need not be
// sealed. Of a b that is no record it appends those ids that lie within b.
func Refs(refs []Ref, b []byte) []Ref {
	if len(b) < headerSize {
		return refs
	}
	at := headerSize + 2*int(b[15])
	n := int(binary.BigEndian.Uint16(b[70:]))
	if len(b)-at < n {
		return refs
	}
	if n > 0 {
		refs = append(refs, Ref{Type: Type(b[12]), Primary: true, Off: uint32(at), Len: uint32(n)})
	}
	at += n
	for range b[72] {
		if len(b)-at < linkHeader {
			return refs
		}
		l := b[at:]
		n := int(binary.BigEndian.Uint16(l[4:]))
		if at += linkHeader; len(b)-at < n {
			return refs
		}
		refs = append(refs, Ref{Type: Type(l[0]), How: How(l[1]), Score: l[2], Off: uint32(at), Len: uint32(n)})
		at += n
	}
	return refs
}

const linkHeader = 6 // octets of a link before its id
