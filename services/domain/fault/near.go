package fault

import "strings"

// Nearest is the known name that a misspelt one was probably meant to be, whatever its capitals, the first of several;
// empty when none is near.
func Nearest(name string, known []string) string {
	best, nearest := max(1, len(name)/3)+1, ""
	for _, k := range known {
		if d := Distance(strings.ToLower(name), strings.ToLower(k)); d < best {
			best, nearest = d, k
		}
	}
	return nearest
}

// Distance is the number of letters to add, drop, change or swap with the next to come from a to b.
func Distance(a, b string) int {
	var before, last []int
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, last, row = last, row, make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			row[j] = min(row[j-1]+1, last[j]+1, last[j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return row[len(b)]
}
