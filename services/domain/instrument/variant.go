package instrument

// Shifted is a score that was computed in a variant, on the instrument's own scale: `10 x 0-4` of the K10 plus ten. An
// empty variant is the own one. It is false for a variant that is not declared, and for a score that a shift of its items
// does not simply move: recoded items, tables, models and formulas.
func (d *Definition) Shifted(key *Score, variant string, value float64) (float64, bool) {
	if variant == "" {
		return value, true
	}
	v := d.Variant(variant)
	if v == nil {
		return 0, false
	}
	moved, ok := d.moved(key, v.Shift)
	return clean(value + moved), ok
}

// moved is how far a score moves when every answer moves by shift.
func (d *Definition) moved(key *Score, shift float64) (float64, bool) {
	sum := 0.0
	for _, n := range key.Items {
		switch item := d.Item(n); {
		case item == nil || len(item.Recode) > 0 || key.Gate != nil:
			return 0, false
		case item.Reverse != nil:
			sum -= shift
		default:
			sum += shift
		}
	}
	switch key.Kind {
	case KindSum:
	case KindMean:
		sum /= float64(len(key.Items))
	case KindPercent:
		return 0, true
	case KindScores:
		for _, part := range key.Parts() {
			moved, ok := d.moved(&d.Scores[part], shift)
			if !ok {
				return 0, false
			}
			sum += moved
		}
	default:
		return 0, false
	}
	return sum * key.factor() / key.divisor(), true
}
