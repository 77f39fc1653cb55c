// Package outbox is a directory of files that somebody is to take away: captures,
// support bundles. It is bounded: what does not fit is refused, and nothing that
// is in it goes by itself.
//
// # Taking a file away
//
// Send puts a file to a URL (HTTP PUT, RFC 9110 9.3.4), over the uplink. It is the
// box that connects, so it has no port open for this; every web server with WebDAV and
// an object store's presigned URL take it. Over HTTPS the certificate must be one that the system trusts, or have the fingerprint
// that was typed. Redirections are not followed: what is in the file goes where
// somebody said, and nowhere else.
package outbox
