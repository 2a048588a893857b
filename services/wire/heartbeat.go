package wire

import (
	"time"

	"github.com/rapport-health/rapport/services/domain/fault"
)

// The bounds of a heartbeat.
const (
	defaultHeartbeat = 15 * time.Second
	maxHeartbeat     = 300
)

// Heartbeat is the pause between heartbeats when so many seconds were asked for; 0 asks for the usual one. Errors: Invalid.
func Heartbeat(seconds int32) (time.Duration, error) {
	if seconds < 0 || seconds > maxHeartbeat {
		return 0, fault.New(fault.Invalid, fault.Errorf("value", "heartbeat_seconds", "ask for 1 to %d seconds", maxHeartbeat))
	}
	if seconds == 0 {
		return defaultHeartbeat, nil
	}
	return time.Duration(seconds) * time.Second, nil
}
