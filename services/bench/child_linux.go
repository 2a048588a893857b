package bench

import "syscall"

// alone lets a child be without the terminal's signals, and die with us, however we die.
func alone() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
