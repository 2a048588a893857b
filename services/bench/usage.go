package bench

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// Usage is the processor time that a run took in all, by process and all its children.
type usage struct {
	server, postgres, redis, self time.Duration
}

// minus is what was used since an earlier look.
func (u usage) minus(o usage) usage {
	return usage{u.server - o.server, u.postgres - o.postgres, u.redis - o.redis, u.self - o.self}
}

// plus adds.
func (u usage) plus(o usage) usage {
	return usage{u.server + o.server, u.postgres + o.postgres, u.redis + o.redis, u.self + o.self}
}

// all of it.
func (u usage) all() time.Duration { return u.server + u.postgres + u.redis + u.self }

// ticksPerSecond is the unit of processor times in /proc, the same on every Linux.
const ticksPerSecond = 100

// processorTime is what a process, its living children and its dead ones used; 0 where there is no /proc.
func processorTime(pid int) time.Duration {
	if pid == 0 {
		return 0
	}
	total := ticks(pid, true)
	for _, child := range childrenOf(pid) {
		total += ticks(child, false)
	}
	return time.Duration(total) * time.Second / ticksPerSecond
}

// ticks are the user and system time of one process, and of the children it has buried.
func ticks(pid int, buried bool) int64 {
	fields := stat(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	const utime, cstime = 11, 14 // counted from the state, which follows the name
	if len(fields) <= cstime {
		return 0
	}
	last := utime + 1
	if buried {
		last = cstime
	}
	var sum int64
	for _, field := range fields[utime : last+1] {
		n, err := strconv.ParseInt(string(field), 10, 64)
		if err != nil {
			return 0
		}
		sum += n
	}
	return sum
}

// stat are the fields of a stat file behind the name, which stands in brackets and may hold anything.
func stat(path string) [][]byte {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil // it ended meanwhile, or there is no /proc
	}
	return bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
}

func childrenOf(pid int) []int {
	paths, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil
	}
	var found []int
	for _, path := range paths {
		fields := stat(path)
		if len(fields) < 2 || string(fields[1]) != strconv.Itoa(pid) {
			continue
		}
		if child, err := strconv.Atoi(filepath.Base(filepath.Dir(path))); err == nil {
			found = append(found, child)
		}
	}
	return found
}

// peakMemory is the most resident memory a process had so far, in MiB; 0 where there is no /proc.
func peakMemory(pid int) float64 { return memoryOf(pid, "VmHWM:") }

// residentMemory is what a process has now, in MiB; 0 where there is no /proc.
func residentMemory(pid int) float64 { return memoryOf(pid, "VmRSS:") }

// memoryOf reads one line of a status file.
func memoryOf(pid int, name string) float64 {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(text) {
		rest, found := bytes.CutPrefix(line, []byte(name))
		if fields := bytes.Fields(rest); found && len(fields) > 0 {
			kib, err := strconv.ParseFloat(string(fields[0]), 64)
			if err != nil {
				return 0
			}
			return kib / 1024
		}
	}
	return 0
}

// ownTime is what this process used, without its children.
func ownTime() time.Duration {
	return time.Duration(ticks(os.Getpid(), false)) * time.Second / ticksPerSecond
}

// busyTime is what all processors of the machine were busy since it started, with what its host took from them; 0
// where there is no /proc.
func busyTime() time.Duration {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	line, _, _ := bytes.Cut(text, []byte("\n"))
	fields := bytes.Fields(line)
	// After the word come user, nice, system, idle, iowait, irq, softirq and steal; guests are among the users.
	const idle, iowait, steal = 4, 5, 8
	var sum int64
	for i := 1; i < len(fields) && i <= steal; i++ {
		n, err := strconv.ParseInt(string(fields[i]), 10, 64)
		if err != nil {
			return 0
		}
		if i != idle && i != iowait {
			sum += n
		}
	}
	return time.Duration(sum) * time.Second / ticksPerSecond
}
