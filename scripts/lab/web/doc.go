// Package web has tests only: the real probe at a mirror with HTTP by curl and by
// a server of net/http, in every shape that a query and its reply can have, and with
// TLS that OpenSSL's client refuses.
package web
