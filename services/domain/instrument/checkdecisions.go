package instrument

import "slices"

// decisions checks what is concluded by counting answers.
func (c *checker) decisions(used []bool) {
	for i := range c.Decisions {
		d, place := &c.Decisions[i], at("decisions", i)
		taken := c.Score(d.Code) != nil ||
			slices.ContainsFunc(c.Decisions[:i], func(o Decision) bool { return o.Code == d.Code })
		if !kebab.MatchString(d.Code) || taken {
			c.say(place, "needs a code of its own in kebab case")
		}
		if d.Text == "" || len(d.Counts) == 0 || len(d.Rules) == 0 {
			c.say(place, "needs a text, counts and rules")
		}
		if len(d.Counts) > MaxCounts {
			c.say(place+".counts", "are %d at most", MaxCounts)
		}
		for j := range d.Counts {
			c.count(at(place+".counts", j), d, j, used)
		}
		c.rules(place+".rules", d.Rules, func(w *Condition) string {
			if w.Score != "" || !slices.ContainsFunc(d.Counts, func(n Count) bool { return n.Code == w.Count }) {
				return "must name a count of this decision"
			}
			return ""
		})
	}
}

func (c *checker) count(place string, d *Decision, index int, used []bool) {
	n := &d.Counts[index]
	if n.Code == "" || slices.ContainsFunc(d.Counts[:index], func(o Count) bool { return o.Code == n.Code }) {
		c.say(place, "needs a code of its own")
	}
	if len(n.At) == 0 {
		c.say(place, "counts nothing")
	}
	counted := make([]bool, len(c.Items))
	for j := range n.At {
		if len(n.At[j].Items) == 0 {
			c.say(at(place+".at", j), "counts nothing")
		}
		for k, number := range n.At[j].Items {
			here := at(at(place+".at", j)+".items", k)
			item := c.Item(number)
			if item == nil || item.scale == nil {
				c.say(here, "there is no item %d", number)
				continue
			}
			if counted[number-1] {
				c.say(here, "item %d is counted twice", number)
			}
			used[number-1], counted[number-1] = true, true
			if low, high := item.Bounds(); n.At[j].From <= low || n.At[j].From > high {
				c.say(at(place+".at", j), "item %d is always or never at %v", number, n.At[j].From)
			}
		}
	}
}

// variants checks the other numberings.
func (c *checker) variants() {
	for i := range c.Variants {
		v, place := &c.Variants[i], at("variants", i)
		if !kebab.MatchString(v.Code) || slices.ContainsFunc(c.Variants[:i], func(o Variant) bool { return o.Code == v.Code }) {
			c.say(place, "needs a code of its own in kebab case")
		}
		if v.Text == "" || v.Shift == 0 {
			c.say(place, "needs a text, and a shift other than 0")
		}
	}
	for i := range c.Forms {
		if name := c.Forms[i].Variant; name != "" && c.Variant(name) == nil {
			c.say(at("forms", i)+".variant", "there is no variant %s", name)
		}
	}
}
