//go:build linux && (386 || arm)

package sysclock

import "golang.org/x/sys/unix"

// The kernel's long has 32 bits here; a step of more seconds than that is none.

func setTime(t *unix.Timeval, sec, nsec int64) { t.Sec, t.Usec = int32(sec), int32(nsec) }

func setOffset(t *unix.Timex, us int64) { t.Offset = int32(us) }

func setErrors(t *unix.Timex, us int64) { t.Maxerror, t.Esterror = int32(us), int32(us) }
