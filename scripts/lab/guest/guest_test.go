package guest

import (
	"bytes"
	"reflect"
	"testing"
)

func TestInitramfs(t *testing.T) {
	var b bytes.Buffer
	if err := writeInitramfs(&b, map[string]Content{"/a/b": {Text: "hello", Mode: 0o755}}); err != nil {
		t.Fatal(err)
	}
	const zero = "00000000"
	want := "070701" + "00000001" + "000041ED" + zero + zero + "00000001" + zero + zero + zero + zero + zero + zero + "00000004" + zero + "dev\x00\x00\x00" +
		"070701" + "00000002" + "00002180" + zero + zero + "00000001" + zero + zero + zero + zero + "00000005" + "00000001" + "0000000C" + zero + "dev/console\x00\x00\x00" +
		"070701" + "00000003" + "000041ED" + zero + zero + "00000001" + zero + zero + zero + zero + zero + zero + "00000002" + zero + "a\x00" +
		"070701" + "00000004" + "000081ED" + zero + zero + "00000001" + zero + "00000005" + zero + zero + zero + zero + "00000004" + zero + "a/b\x00\x00\x00" + "hello\x00\x00\x00" +
		"070701" + "00000005" + zero + zero + zero + "00000001" + zero + zero + zero + zero + zero + zero + "0000000B" + zero + "TRAILER!!!\x00\x00\x00\x00"
	if got := b.String(); got != want {
		t.Errorf("got\n%q, want\n%q", got, want)
	}
	if err := writeInitramfs(&b, map[string]Content{"/x": {Path: "/nonexistent"}}); err == nil {
		t.Error("a file that is not there was archived")
	}
}

func TestResults(t *testing.T) {
	got := Results("=== RUN   TestA\r\n=== RUN   TestA/x\r\n    a_test.go:7: wrong\r\n--- FAIL: TestA (0.10s)\r\n    --- FAIL: TestA/x (0.10s)\r\n--- SKIP: TestB (0.00s)\nPASS\n")
	want := []Result{
		{"TestA", "FAIL", "=== RUN   TestA\n=== RUN   TestA/x\n    a_test.go:7: wrong"},
		{"TestA/x", "FAIL", ""},
		{"TestB", "SKIP", ""},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
