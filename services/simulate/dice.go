package simulate

import "math/rand/v2"

// dice is the chance of one patient: the same seed, patient and purpose always roll the same.
type dice struct{ *rand.Rand }

// The purposes.
const (
	saltCasting uint64 = iota + 1
	saltCourse
	saltPost
	saltPerson
	saltStaff
	saltTurn
	saltOthers = 1 << 20 // above those that saltStaff is counted up from
)

func newDice(seed, who, salt uint64) dice {
	return dice{rand.New(rand.NewPCG(scramble(seed+salt), scramble(who)^salt))}
}

// chance is true with probability p.
func (d dice) chance(p float64) bool { return d.Float64() < p }

// between is uniform over [lo, hi).
func (d dice) between(lo, hi float64) float64 { return lo + (hi-lo)*d.Float64() }

// within is uniform over [lo, hi).
func (d dice) within(lo, hi moment) moment { return lo + moment(d.Int64N(int64(hi-lo))) }

// about is normal, cut off at two and a half deviations so that noise never looks like an event.
func (d dice) about(mean, sd float64) float64 {
	return mean + sd*max(-2.5, min(2.5, d.NormFloat64()))
}

// spread fills items so that they sum to total as nearly as the bounds allow, unevenly as people do.
func (d dice) spread(items []int8, total int, lo, hi int8) {
	n := len(items)
	total = max(n*int(lo), min(n*int(hi), total))
	share, rest := total/n, total%n
	for i := range items {
		items[i] = int8(share)
	}
	for range rest {
		for i := d.IntN(n); ; i = (i + 1) % n {
			if int(items[i]) == share && items[i] < hi {
				items[i]++
				break
			}
		}
	}
	for range n {
		from, to := d.IntN(n), d.IntN(n)
		if from != to && items[from] > lo && items[to] < hi {
			items[from]--
			items[to]++
		}
	}
}

// scramble is the finisher of splitmix64: neighbouring numbers come out unrelated.
func scramble(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
