package devices

import (
	"encoding/hex"
	"fmt"
	"net"
	"strings"
	"time"

	"heptap/scripts/lab/guest"
)

// usbCable is a USB serial adapter (QEMU's is an FT232) and the other end of
// what goes through it.
type usbCable struct {
	socket string
	far    net.Conn
}

const usbAdapter = "adapter"

func (c *usbCable) devices() []string {
	return []string{"-device", "qemu-xhci", "-chardev", "socket,id=cable,server=on,wait=off,path=" + c.socket,
		"-device", "usb-serial,always-plugged=on,chardev=cable,id=" + usbAdapter}
}

func (c *usbCable) close() {
	if c.far != nil {
		c.far.Close()
	}
}

// obey does what the guest orders: "write HEX", "read", "unplug", "plug".
func (c *usbCable) obey(g *guest.Guest, order string) (string, error) {
	if c.far == nil {
		far, err := net.Dial("unix", c.socket)
		if err != nil {
			return "", err
		}
		c.far = far
	}
	what, text, _ := strings.Cut(order, " ")
	switch what {
	case "write":
		b, err := hex.DecodeString(text)
		if err != nil {
			return "", err
		}
		_, err = c.far.Write(b)
		return "done", err
	case "read":
		b := make([]byte, 4096)
		if err := c.far.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
			return "", err
		}
		n, err := c.far.Read(b)
		return "read " + hex.EncodeToString(b[:n]), err
	case "unplug":
		_, err := g.QMP("device_del", map[string]string{"id": usbAdapter})
		return "done", err
	case "plug":
		// QEMU lets go of the cable a little after it took the device away.
		for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
			_, err := g.QMP("device_add", map[string]any{"driver": "usb-serial", "id": usbAdapter, "chardev": "cable", "always-plugged": true})
			if err == nil || !strings.Contains(err.Error(), "in use") || time.Now().After(end) {
				return "done", err
			}
		}
	}
	return "", fmt.Errorf("unknown order %q", order)
}
