package conversation_test

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"io"
	"testing"

	"heptap/capture/capturetest/conversation"
)

// web reads one direction of a WebSocket connection, from its beginning or
// from a frame on.
func web(t *testing.T, b []byte, x *conversation.Rendering) (messages [][]byte) {
	t.Helper()
	forget := false
	for _, c := range x.Changes {
		forget = forget || c.String() == conversation.Deflate(false).String()
	}
	if bytes.HasPrefix(b, []byte("GET ")) || bytes.HasPrefix(b, []byte("HTTP/1.1 101 ")) {
		_, b, _ = bytes.Cut(b, []byte("\r\n\r\n"))
	}
	var message, window []byte
	compressed := false
	for len(b) > 0 {
		first, n, header := b[0], int(b[1]&0x7f), 2
		switch n {
		case 126:
			n, header = int(binary.BigEndian.Uint16(b[2:])), 4
		case 127:
			n, header = int(binary.BigEndian.Uint64(b[2:])), 10
		}
		var key [4]byte
		if b[1]&0x80 != 0 {
			copy(key[:], b[header:])
			header += 4
		}
		data := bytes.Clone(b[header : header+n])
		for i := range data {
			data[i] ^= key[i%4]
		}
		b = b[header+n:]
		if first&0x0f >= 8 {
			continue
		}
		if first&0x0f != 0 {
			message, compressed = nil, first&0x40 != 0
		}
		if message = append(message, data...); first&0x80 == 0 {
			continue
		}
		if compressed {
			message = inflate(t, message, window)
			if window = append(window, message...); forget {
				window = nil
			}
			window = window[max(0, len(window)-32768):]
		}
		if len(bytes.Trim(message, "\r\n")) > 0 {
			messages = append(messages, message)
		}
	}
	return messages
}

func inflate(t *testing.T, b, window []byte) []byte {
	t.Helper()
	// RFC 7692 7.2.2, and an empty last block, so that the reader sees an end.
	b = append(bytes.Clone(b), 0, 0, 0xff, 0xff, 1, 0, 0, 0xff, 0xff)
	out, err := io.ReadAll(flate.NewReaderDict(bytes.NewReader(b), window))
	if err != nil {
		t.Fatalf("inflate: %v", err)
	}
	return out
}
