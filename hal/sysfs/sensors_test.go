package sysfs

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"heptap/hal"
	"heptap/hal/haltest"
)

func TestSensorsHere(t *testing.T) { haltest.TestSensors(t, NewSensors()) }

func TestTemperatures(t *testing.T) {
	root := tree(t, map[string]string{
		"class/thermal/thermal_zone0/type":              "cpu-thermal\n",
		"class/thermal/thermal_zone0/temp":              "45277\n",
		"class/thermal/thermal_zone0/trip_point_0_type": "active\n",
		"class/thermal/thermal_zone0/trip_point_0_temp": "55000\n",
		"class/thermal/thermal_zone0/trip_point_1_type": "hot\n",
		"class/thermal/thermal_zone0/trip_point_1_temp": "95000\n",
		"class/thermal/thermal_zone0/trip_point_2_type": "passive\n",
		"class/thermal/thermal_zone0/trip_point_2_temp": "80000\n",
		"class/thermal/thermal_zone0/trip_point_3_type": "critical\n",
		"class/thermal/thermal_zone0/trip_point_3_temp": "110000\n",
		"class/thermal/thermal_zone1/type":              "acpitz\n",
		"class/thermal/thermal_zone1/temp":              "-5000\n",
		"class/thermal/thermal_zone2/type":              "acpitz\n",
		"class/thermal/thermal_zone2/temp":              "27800\n",
		"class/thermal/thermal_zone2/trip_point_0_type": "critical\n",
		"class/thermal/thermal_zone2/trip_point_0_temp": "-274000\n", // none
		"class/thermal/thermal_zone3/type":              "broken\n",
		"class/thermal/thermal_zone3/temp":              "-274000\n",
		"class/thermal/thermal_zone4/type":              "asleep\n",
		"class/hwmon/hwmon0/name":                       "nvme\n",
		"class/hwmon/hwmon0/temp1_label":                "Composite\n",
		"class/hwmon/hwmon0/temp1_input":                "38850\n",
		"class/hwmon/hwmon0/temp1_max":                  "84850\n",
		"class/hwmon/hwmon0/temp1_crit":                 "89850\n",
		"class/hwmon/hwmon0/temp2_label":                "Sensor 1\n",
		"class/hwmon/hwmon0/temp2_input":                "40850\n",
		"class/hwmon/hwmon0/temp2_max":                  "65261850\n", // the field is not used
		"class/hwmon/hwmon0/temp3_input":                "40000\n",
		"class/hwmon/hwmon0/temp3_fault":                "1\n",
		"class/hwmon/hwmon1/name":                       "lm75\n",
		"class/hwmon/hwmon1/temp1_input":                "21500\n",
		"class/hwmon/hwmon1/temp1_max":                  "90000\n",
		"class/hwmon/hwmon1/temp1_crit":                 "80000\n",
		"class/hwmon/hwmon1/in1_input":                  "3300\n",
		"class/hwmon/hwmon2/name":                       "cpu_thermal\n",
		"class/hwmon/hwmon2/temp1_input":                "45277\n",
	})
	if err := os.Symlink(filepath.Join(root, "class/thermal/thermal_zone0"), filepath.Join(root, "class/hwmon/hwmon2/device")); err != nil {
		t.Fatal(err)
	}
	s := Sensors{root}
	haltest.TestSensors(t, s)
	want := []hal.Temperature{
		{Name: "acpitz", Now: -5000},
		{Name: "acpitz 2", Now: 27800},
		{Name: "cpu-thermal", Now: 45277, High: 80000, Critical: 110000},
		{Name: "lm75", Now: 21500, Critical: 80000},
		{Name: "nvme Composite", Now: 38850, High: 84850, Critical: 89850},
		{Name: "nvme Sensor 1", Now: 40850},
	}
	if got := s.Temperatures(); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if got := want[2].Now.String(); got != "45.3 °C" {
		t.Errorf("got %s", got)
	}
}

func TestWear(t *testing.T) {
	root := tree(t, map[string]string{
		"block/mmcblk0/size":                                    "1",
		"devices/mmc0/mmc0:0001/life_time":                      "0x01 0x03\n",
		"devices/mmc0/mmc0:0001/pre_eol_info":                   "0x01\n",
		"block/mmcblk0boot0/size":                               "1",
		"block/mmcblk1/size":                                    "1",
		"devices/mmc1/mmc1:aaaa/name":                           "an SD card says nothing\n",
		"block/mmcblk2/size":                                    "1",
		"devices/mmc2/mmc2:0001/life_time":                      "0x00 0x0b\n",
		"devices/mmc2/mmc2:0001/pre_eol_info":                   "0x03\n",
		"block/mmcblk3/size":                                    "1",
		"devices/mmc3/mmc3:0001/life_time":                      "0x00 0x00\n",
		"devices/mmc3/mmc3:0001/pre_eol_info":                   "0x00\n",
		"block/sda/size":                                        "1",
		"devices/ufs/host0/target/lun/model":                    "x\n",
		"devices/ufs/health_descriptor/eol_info":                "0x02\n",
		"block/sdb/size":                                        "1",
		"devices/ata1/host1/target/lun/model":                   "x\n",
		"block/loop0/size":                                      "0",
		"devices/ufs2/health_descriptor/eol_info":               "0x77\n",
		"devices/ufs2/lun/model":                                "x\n",
		"block/sdc/size":                                        "1",
		"devices/ufs3/lun/model":                                "x\n",
		"devices/ufs3/health_descriptor/eol_info":               "0x01\n",
		"block/sdd/size":                                        "1",
		"devices/ufs3/health_descriptor/life_time_estimation_a": "0x02\n",
		"devices/ufs3/health_descriptor/life_time_estimation_b": "0x0a\n",
	})
	for block, device := range map[string]string{"mmcblk0": "mmc0/mmc0:0001", "mmcblk1": "mmc1/mmc1:aaaa", "mmcblk2": "mmc2/mmc2:0001",
		"mmcblk3": "mmc3/mmc3:0001", "sda": "ufs/host0/target/lun", "sdb": "ata1/host1/target/lun", "sdc": "ufs2/lun", "sdd": "ufs3/lun"} {
		if err := os.Symlink(filepath.Join(root, "devices", device), filepath.Join(root, "block", block, "device")); err != nil {
			t.Fatal(err)
		}
	}
	s := Sensors{root}
	haltest.TestSensors(t, s)
	want := []hal.Wear{
		{Device: "mmcblk0", Percent: 30, Reserve: hal.ReserveNormal},
		{Device: "mmcblk2", Percent: 110, Reserve: hal.ReserveUrgent},
		{Device: "sda", Reserve: hal.ReserveLow},
		{Device: "sdd", Percent: 100, Reserve: hal.ReserveNormal},
	}
	if got := s.Wear(); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestNoSensors(t *testing.T) {
	s := Sensors{t.TempDir()}
	if c, w := s.Temperatures(), s.Wear(); len(c)+len(w) != 0 {
		t.Errorf("got %v, %v", c, w)
	}
}
