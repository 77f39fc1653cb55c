//go:build linux && !(386 || arm)

package sysclock

import "golang.org/x/sys/unix"

// The kernel's long has 64 bits here.

func setTime(t *unix.Timeval, sec, nsec int64) { t.Sec, t.Usec = sec, nsec }

func setOffset(t *unix.Timex, us int64) { t.Offset = us }

func setErrors(t *unix.Timex, us int64) { t.Maxerror, t.Esterror = us, us }
