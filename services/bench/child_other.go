//go:build !linux

package bench

import "syscall"

// alone leaves a child as the system starts it.
func alone() *syscall.SysProcAttr { return nil }
