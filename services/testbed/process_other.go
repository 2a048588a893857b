//go:build !linux

package testbed

import "syscall"

// attributes let a child run as another user (nil: as we are).
func attributes(as *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: as, Setpgid: true}
}

// children are not looked for here: PostgreSQL's leave by themselves once their parent is gone.
func children(int) []int { return nil }
