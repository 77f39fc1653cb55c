package devices

import (
	"encoding/json"
	"fmt"

	"heptap/scripts/lab/guest"
)

// object returns the path of the first device of a type that QEMU made by
// itself.
func object(g *guest.Guest, kind string) (string, error) {
	const dir = "/machine/unattached"
	reply, err := g.QMP("qom-list", map[string]string{"path": dir})
	if err != nil {
		return "", err
	}
	var children []struct{ Name, Type string }
	if err := json.Unmarshal(reply, &children); err != nil {
		return "", err
	}
	for _, c := range children {
		if c.Type == "child<"+kind+">" {
			return dir + "/" + c.Name, nil
		}
	}
	return "", fmt.Errorf("no %s in the machine", kind)
}
