package main

import "fmt"

// maxFlag bounds a list.
type maxFlag struct {
	Max int32 `default:"50" help:"At most this many; 0 for all (${default})." env:"-"`
}

// Validate refuses what cannot be.
func (m maxFlag) Validate() error {
	if m.Max < 0 {
		return fmt.Errorf("--max %d: want 0 or more", m.Max)
	}
	return nil
}

// pageSize is how many are asked for at once.
const pageSize = 500

// pages asks for page after page until there are max (0: all), and says whether there are more. A page is asked for by its
// size and the token of the page before, and says how many it had and the token of the next one.
func pages(most int32, page func(size int32, token string) (int, string, error)) (more bool, err error) {
	token := ""
	for left := most; ; {
		size := int32(pageSize)
		if most > 0 {
			size = min(size, left)
		}
		n, next, err := page(size, token)
		if err != nil {
			return false, err
		}
		if next == "" {
			return false, nil
		}
		if left -= int32(n); most > 0 && left <= 0 {
			return true, nil
		}
		token = next
	}
}

// sayMore tells that a list is cut off.
func sayMore(s streams, more bool) error {
	if !more {
		return nil
	}
	_, err := fmt.Fprintln(s.err, "There are more: --max 0 lists all.")
	return err
}
