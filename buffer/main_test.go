package buffer_test

import (
	"os"
	"testing"

	"heptap/buffer/buffertest"
)

func TestMain(m *testing.M) {
	buffertest.CrashChild()
	diskFullChild()
	os.Exit(m.Run())
}

func TestCrash(t *testing.T) {
	rounds := 25
	switch {
	case os.Getenv("HEPTAP_LONG") != "":
		rounds = 250
	case testing.Short():
		rounds = 10
	}
	buffertest.TestCrash(t, buffertest.Path(t), rounds)
}
