package main

import (
	"runtime"
	"testing"

	"heptap/firmware/internal/config"
	"heptap/firmware/internal/probe"
)

func TestMachineMemory(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("no /proc/meminfo")
	}
	if n := machineMemory(); n < 32<<20 || n%1024 != 0 {
		t.Errorf("%d octets", n)
	}
}

// What the tables may hold with the defaults is what a small box must have.
func TestDefaultBudget(t *testing.T) {
	cfg := config.Default()
	pc := probe.Config{Inputs: make([]probe.Input, 1), Media: mediaConfig(cfg), Assembly: assemblyConfig(cfg), Beyond: beyondConfig(cfg),
		Correlate: correlateConfig(cfg, 1), ISUP: cfg.Records.ISUP}
	if n := pc.MemoryBytes() >> 20; n > 400 {
		t.Errorf("%d MiB", n)
	}
}
