// Package support makes the support bundle: one tar file, compressed with gzip, that
// tells somebody who has never seen the box how it is and what has happened to it.
//
// It has no content of calls: no records, no frames, no numbers and names but those
// that are in the configuration. Secrets of the configuration are ***. What the probe
// and the kernel have logged is in it as it is, with addresses of hosts.
//
// Each part is bounded, and so is the whole (4 MiB). A part that cannot be had
// leaves a line in problems.txt and nothing else undone: the bundle is for boxes that are
// not well. gzip and not zstd, since everything can open it, and the standard
// library can write it.
package support
