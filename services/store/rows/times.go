package rows

import (
	"math"
	"time"
)

// Never and Ever stand for the open ends of an effective time. Never sorts last in a listing of newest first.
const (
	Never = int64(math.MinInt64)
	Ever  = int64(math.MaxInt64)
)

func lower(t time.Time) int64 {
	if t.IsZero() {
		return Never
	}
	return t.UnixMicro()
}

func upper(t time.Time) int64 {
	if t.IsZero() {
		return Ever
	}
	return t.UnixMicro()
}

// Time reads a column of microseconds back; the open ends are the zero time.
func Time(micros int64) time.Time {
	if micros == Never || micros == Ever {
		return time.Time{}
	}
	return time.UnixMicro(micros).UTC()
}
