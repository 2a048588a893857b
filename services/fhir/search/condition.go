package search

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// Condition is one occurrence of a parameter: any of its alternatives must hold.
type Condition struct {
	// Param that is asked for.
	Param *Param
	// Modifier as given; empty for none.
	Modifier string
	// Any of the alternatives.
	Any []Alternative
}

// Alternative is one of the values that a condition names.
type Alternative struct {
	// Code and System of a token; NoCode and AnySystem say that the part does not matter.
	System, Code      string
	AnySystem, NoCode bool
	// Text of a string or URI, folded unless it must match exactly; of a canonical its URL, and its Version.
	Text, Version string
	// Ref to a resource; the Type is empty where it was not said.
	Ref ref.Resource
	// Dates that must all hold.
	Dates []Bound
	// Op, Number and Slack of a quantity or number: `eq` means within Slack.
	Op            string
	Number, Slack float64
	// AnyUnit says that the unit does not matter.
	AnyUnit bool
	// Missing asks for, or against, there being any value.
	Missing bool
	// parts of a composite.
	parts []Condition
}

// Asked is where and when a search is asked.
type Asked struct {
	// Base is the URL of the server; references below it are its own.
	Base string
	// Now is when, and its zone that of dates without one.
	Now time.Time
}

// MaxAlternatives is how many values one occurrence may name.
const MaxAlternatives = 200

// Parse reads one occurrence of a parameter. It fails with fault.Invalid when the value is none, and when the modifier is
// none that is known, for to ignore a modifier would change what is asked.
func Parse(p *Param, modifier, value string, asked Asked) (Condition, error) {
	c := Condition{Param: p, Modifier: modifier}
	if value == "" {
		return c, p.wrong("has no value")
	}
	values := Split(value, ',')
	if len(values) > MaxAlternatives {
		return c, p.wrong("has more than " + strconv.Itoa(MaxAlternatives) + " alternatives")
	}
	if slices.Contains(values, "") {
		return c, p.wrong("has an empty alternative")
	}
	if !p.allows(modifier) {
		return c, fault.New(fault.Invalid, fault.Errorf("not-supported", "", "the search parameter %s has a modifier that is not supported", p.Name))
	}
	for _, one := range values {
		a, err := p.alternative(modifier, one, asked)
		if err != nil {
			return c, err
		}
		c.Any = append(c.Any, a)
	}
	return c, nil
}

func (p *Param) wrong(text string) error {
	return fault.New(fault.Invalid, fault.Errorf("value", "", "the search parameter %s %s", p.Name, text))
}

// The modifiers that are known beside none.
const (
	missing    = "missing"
	not        = "not"
	inText     = "text"
	exact      = "exact"
	contains   = "contains"
	identifier = "identifier"
	below      = "below"
)

func (p *Param) allows(modifier string) bool {
	switch modifier {
	case "", missing:
		return true
	}
	switch p.Type {
	case Token:
		return modifier == not || modifier == inText
	case String:
		return modifier == exact || modifier == contains
	case URI:
		return modifier == below
	case Reference:
		return !p.Canonical() && (modifier == identifier || modifier[0] >= 'A' && modifier[0] <= 'Z' && p.LeadsTo(modifier))
	default:
		return false
	}
}

func (p *Param) alternative(modifier, text string, asked Asked) (Alternative, error) {
	if modifier == missing {
		if text != "true" && text != "false" {
			return Alternative{}, p.wrong("with the modifier missing must be true or false")
		}
		return Alternative{Missing: text == "true"}, nil
	}
	switch p.Type {
	case Token:
		if modifier == inText {
			return Alternative{Text: Fold(Unescape(text))}, nil
		}
		return p.token(text)
	case Reference:
		return p.referring(modifier, text, asked)
	case String:
		plain := Unescape(text)
		if modifier != exact {
			plain = Fold(plain)
		}
		return Alternative{Text: plain}, nil
	case URI:
		return Alternative{Text: Unescape(text)}, nil
	case Date:
		bounds, ok := DateBounds(Unescape(text), asked.Now)
		if !ok {
			return Alternative{}, p.wrong("must be a date or time such as ge2026-03, with a prefix of eq ne gt lt ge le sa eb ap or none")
		}
		return Alternative{Dates: bounds}, nil
	case Quantity, Number:
		return p.number(text)
	case Composite:
		return p.composite(text, asked)
	default:
		return Alternative{}, p.wrong("is of a kind that is not searched")
	}
}

// token reads `system|code`, `code`, `|code` or `system|`.
func (p *Param) token(text string) (Alternative, error) {
	parts := Split(text, '|')
	switch {
	case len(parts) == 1:
		return Alternative{AnySystem: true, Code: Unescape(text)}, nil
	case len(parts) == 2 && text != "|":
		return Alternative{System: Unescape(parts[0]), Code: Unescape(parts[1]), NoCode: parts[1] == ""}, nil
	default:
		return Alternative{}, p.wrong("must be code, system|code, |code or system|")
	}
}

// referring reads `id`, `Type/id`, the same below the base of this server, `system|value` after the modifier identifier, or
// a canonical URL with or without `|version`.
func (p *Param) referring(modifier, text string, asked Asked) (Alternative, error) {
	value := Unescape(text)
	switch {
	case p.Canonical():
		url, version, versioned := strings.Cut(value, "|")
		if url == "" || versioned && version == "" {
			return Alternative{}, p.wrong("must be a canonical URL, with or without |version")
		}
		return Alternative{Text: url, Version: version}, nil
	case modifier == identifier:
		a, err := p.token(text)
		if err == nil && (a.NoCode || a.AnySystem && p.LeadsTo("Patient") && p.Name == "patient") {
			err = p.wrong("with the modifier identifier must be system|value")
		}
		return a, err
	}
	value = strings.TrimPrefix(value, asked.Base+"/")
	of := ref.Resource{Type: modifier, ID: value}
	if typ, id, typed := strings.Cut(value, "/"); typed {
		of.Type, of.ID = typ, id
	}
	if of.Type == "" && len(p.Targets) == 1 {
		of.Type = p.Targets[0]
	}
	if p.Name == "patient" && of.Type == "" {
		of.Type = "Patient"
	}
	if id, version, ok := strings.Cut(of.ID, "/_history/"); ok && version != "" {
		of.ID = id
	}
	if !ref.ValidID(of.ID) || modifier != "" && of.Type != modifier || of.Type != "" && !p.LeadsTo(of.Type) || p.Name == "patient" && of.Type != "Patient" {
		return Alternative{}, p.wrong("must be a resource of this server that it can lead to: an id, Type/id, or the same below the base of this server")
	}
	return Alternative{Ref: of}, nil
}

// number reads `[prefix]number`, of a quantity also with `|system|code` or `||code` behind it.
func (p *Param) number(text string) (Alternative, error) {
	parts := Split(text, '|')
	a := Alternative{Op: "eq", AnyUnit: true}
	digits := parts[0]
	if len(digits) > 2 && slices.Contains(Prefixes, digits[:2]) {
		a.Op, digits = digits[:2], digits[2:]
	}
	n, err := strconv.ParseFloat(digits, 64)
	if err != nil || strings.Trim(digits, "0123456789+-.eE") != "" || len(parts) != 1 && (len(parts) != 3 || p.Type == Number) {
		return a, p.wrong("must be a number such as gt9, with |system|code or ||code behind it or without")
	}
	a.Number, a.Slack = n, precisionOf(digits)
	if a.Op == "ap" {
		a.Op, a.Slack = "eq", max(a.Slack, abs(n)/10)
	}
	if len(parts) == 3 && parts[2] != "" {
		a.AnyUnit, a.System, a.Code = false, Unescape(parts[1]), Unescape(parts[2])
		a.AnySystem = a.System == ""
	}
	return a, nil
}

// precisionOf is half of the last digit that was written.
func precisionOf(digits string) float64 {
	mantissa, exponent, _ := strings.Cut(strings.ToLower(digits), "e")
	places := 0
	if _, fraction, ok := strings.Cut(mantissa, "."); ok {
		places = len(fraction)
	}
	e, _ := strconv.Atoi(exponent) // none is 0
	slack, err := strconv.ParseFloat("0.5e"+strconv.Itoa(e-places), 64)
	if err != nil {
		return 0
	}
	return slack
}

func abs(x float64) float64 { return max(x, -x) }

// composite reads `part$part`.
func (p *Param) composite(text string, asked Asked) (Alternative, error) {
	values := Split(text, '$')
	if len(values) != len(p.parts) {
		return Alternative{}, p.wrong("must have " + strconv.Itoa(len(p.parts)) + " parts with a $ between them")
	}
	var a Alternative
	for i := range p.parts {
		part := &p.parts[i]
		one, err := part.alternative("", values[i], asked)
		if err != nil {
			return a, err
		}
		a.parts = append(a.parts, Condition{Param: part, Any: []Alternative{one}})
	}
	return a, nil
}

// Split splits at a separator that no backslash precedes. The parts keep their escapes.
func Split(s string, separator byte) []string {
	var parts []string
	start := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case separator:
			parts = append(parts, s[start:i])
			start = i + 1
		}
	}
	return append(parts, s[start:])
}

// Unescape resolves \, \| \$ and \\; another backslash stands for itself.
func Unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) && strings.IndexByte(`,|$\`, s[i+1]) >= 0 {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
