// Package jssip makes calls with JsSIP, the SIP stack of web pages, over
// WebSocket (RFC 7118), in Node.
//
// JsSIP comes from npm, in the versions that package-lock.json pins;
// install.sh puts it into a cache outside the repository.
package jssip
