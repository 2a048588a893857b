package catalogue

import "time"

// Hasty is a catalogue that tries formulas out for no longer than this.
func Hasty(c *Catalogue, within time.Duration) *Catalogue {
	hasty := *c
	hasty.within = within
	return &hasty
}
