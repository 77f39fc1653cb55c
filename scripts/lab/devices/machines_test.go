package devices

import "testing"

// On both machines the watchdog is a PCI card; reset is what QEMU does when it
// bites, and a kernel that was given on the command line starts anew.
func watchdogDevices() []string {
	return []string{"-device", "i6300esb", "-action", "watchdog=reset"}
}

// nvmeDevices are a disk that says how warm it is.
func nvmeDevices() []string {
	return []string{"-drive", "if=none,id=disk,driver=null-co,size=16M", "-device", "nvme,drive=disk,serial=heptap"}
}

func TestX86(t *testing.T) {
	run(t, machine{arch: "amd64", sim: true, usb: true, links: true, devices: append(watchdogDevices(), nvmeDevices()...),
		modules: []string{"softdog", "i6300esb", "uinput", "evdev", "ledtrig-timer", "nvme", "xhci_pci", "ftdi_sio", "veth", "bonding", "8021q"},
		phases:  []string{"^TestLinks$", "^TestGPIOSim$", "^TestLEDClass$", "^TestInputEvents$", "^TestUSBSerial$", "^TestSensors$", "^TestWatchdog$", "^TestClock$", "^TestWatchdogBites$"}})
}

// TestNetworkCards has two cards with one cable.
func TestNetworkCards(t *testing.T) {
	long(t)
	run(t, machine{arch: "amd64", modules: []string{"e1000e"}, phases: []string{"^TestTimestamps$"},
		devices: []string{"-netdev", "hubport,id=one,hubid=0", "-netdev", "hubport,id=two,hubid=0", "-device", "e1000e,netdev=one", "-device", "e1000e,netdev=two"}})
}

func TestARM64(t *testing.T) {
	run(t, machine{arch: "arm64", devices: watchdogDevices(),
		modules: []string{"softdog", "i6300esb", "evdev", "gpio_keys"},
		phases:  []string{"^TestPL061$", "^TestGPIOKeys$", "^TestWatchdog$", "^TestClock$", "^TestWatchdogBites$"}})
}

func TestARM64Simulated(t *testing.T) {
	long(t)
	run(t, machine{arch: "arm64", sim: true, usb: true, devices: nvmeDevices(),
		modules: []string{"uinput", "evdev", "ledtrig-timer", "nvme", "xhci_pci", "ftdi_sio"},
		phases:  []string{"^TestGPIOSim$", "^TestLEDClass$", "^TestInputEvents$", "^TestUSBSerial$", "^TestSensors$"}})
}

// TestFrontPanel has the program itself behind a front panel. Time there goes by what the
// guest has computed, and nobody waits for what does nothing, so that how busy this machine is
// changes nothing of what the LEDs show.
func TestFrontPanel(t *testing.T) {
	long(t)
	for _, arch := range []string{"amd64", "arm64"} {
		t.Run(arch, func(t *testing.T) {
			run(t, machine{arch: arch, sim: true, front: true, devices: []string{"-icount", "shift=2,sleep=off"}, modules: []string{"veth"}, phases: []string{"^TestFront$"}})
		})
	}
}
