package isup_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"heptap/capture/isup"
)

func FuzzParse(f *testing.F) {
	for _, s := range []string{iam, rel, grs, "21 00 2b 02 04 02 03 00 04 03 0d 03 24", "01 00 09 01 0a 01 03 00", "01 00 28 0c 02", "21 00 18 01 01 02 03 0a",
		"01 00 09 01 03 04 1e 02 81 83 39 05 3d 02 80 fe 90 c1 03 21 21 03 20 02 04 22 00"} {
		f.Add(octets(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var m isup.Message
		if err := m.ParseWithCIC(b); err != nil {
			if len(b) >= 3 || m.Type != 0 || m.HasCIC || m.Len() != 0 {
				t.Fatalf("%v: %d octets", err, len(b))
			}
			return
		}
		for i := range m.Len() {
			_, value := m.Parameter(i)
			if off := cap(b) - cap(value); len(value) > 0 && (off < 3 || off+len(value) > len(b) || &b[off] != &value[0]) {
				t.Fatalf("parameter %d is not inside the message", i)
			}
		}
		if m.CIC > 4095 || m.Len() > 64 || (m.Fault == isup.None) != (len(m.AppendFault(nil)) == 0) || m.Fault == isup.UnknownType == m.Type.Known() {
			t.Fatalf("CIC %d, %d parameters, fault %v of %v", m.CIC, m.Len(), m.Fault, m.Type)
		}
		for i := range min(m.Circuits(), 300) {
			m.EffectOn(i)
		}
		whole := m.AppendJSON(nil, 1, 2)
		var object map[string]any
		if err := json.Unmarshal(whole, &object); err != nil || object["msg_name"] == "" || (object["fault"] != nil) != (m.Fault != isup.None) {
			t.Fatalf("%v: %s", err, whole)
		}
		unique(t, whole)
		list := read(t, &m)
		if opaque := !m.Type.Known() || m.Type == 40 || m.Type == 49; !opaque {
			shown := len(list)
			if shown > 0 && list[shown-1].Omitted > 0 {
				shown += list[shown-1].Omitted - 1
			}
			if shown != m.Len() {
				t.Fatalf("%d of %d parameters", shown, m.Len())
			}
		}
		if n := len(m.AppendReadable(nil)); n > 40<<10 {
			t.Fatalf("%d octets of text", n)
		}
		for _, e := range list {
			if len(e.Hex) > 128 || e.Octets > 0 && e.Octets <= 64 {
				t.Fatalf("%+v", e)
			}
		}
		// Without its CIC the message is the same.
		var bare isup.Message
		if err := bare.Parse(b[2:]); err != nil || bare.Type != m.Type || bare.Len() != m.Len() || bare.Fault != m.Fault || bare.HasCIC {
			t.Fatalf("%v: %v with %d parameters", err, bare.Type, bare.Len())
		}
	})
}

// unique fails when the object's top level has a key twice.
func unique(t *testing.T, b []byte) {
	d := json.NewDecoder(bytes.NewReader(b))
	keys, depth, key := map[string]bool{}, 0, true
	for {
		token, err := d.Token()
		if err != nil {
			return
		}
		switch v := token.(type) {
		case json.Delim:
			if v == '{' || v == '[' {
				depth++
			} else {
				depth--
			}
			key = true
			continue
		case string:
			if depth == 1 && key {
				if keys[v] {
					t.Fatalf("%q twice: %s", v, b)
				}
				keys[v] = true
				key = false
				continue
			}
		}
		if depth == 1 {
			key = true
		}
	}
}
