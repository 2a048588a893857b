package access

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/rapport-health/rapport/services/domain/fault"
)

// Any stands for every type, feed, label or purpose.
const Any = "*"

// Verbs are what SMART scopes allow, as a set.
type Verbs uint8

// The verbs, in the order in which a scope names them.
const (
	Create Verbs = 1 << iota
	Read
	Update
	Delete
	Search
	// AllVerbs is all of them.
	AllVerbs = Create | Read | Update | Delete | Search
)

const verbLetters = "cruds"

// String is the letters of the set in the order of SMART.
func (v Verbs) String() string {
	var b strings.Builder
	for i, letter := range verbLetters {
		if v&(1<<i) != 0 {
			b.WriteRune(letter)
		}
	}
	return b.String()
}

// Context says on whose behalf a scope holds.
type Context string

// The contexts of SMART.
const (
	// System acts for no person.
	System Context = "system"
	// User acts for the person who signed in.
	User Context = "user"
	// OnePatient reaches one patient alone.
	OnePatient Context = "patient"
)

// Param is one restriction of a scope: a search parameter whose values, any of which does, the resource must have.
type Param struct {
	Name   string
	Values []string
}

// Scope is one permission: SMART v2, or v1 read as v2.
type Scope struct {
	Context Context
	// Type of resource, or Any.
	Type  string
	Verbs Verbs
	// Where all must hold.
	Where []Param
}

// Scopes are permissions, any of which is enough.
type Scopes []Scope

var scopeForm = regexp.MustCompile(`^(system|user|patient)/(\*|[A-Z][A-Za-z]{1,63})\.([a-z*]{1,5})(?:\?(.{1,1000}))?$`)

// maxScopes bounds a list of scopes.
const maxScopes = 200

// ParseScopes reads a list parted by blanks. Words that are no resource scopes, such as `openid`, are left out. Errors:
// Invalid for a resource scope that is none of SMART's, or restricts what Rapport cannot check.
func ParseScopes(text string) (Scopes, error) {
	var scopes Scopes
	for word := range strings.FieldsSeq(text) {
		if !strings.Contains(word, "/") || strings.Contains(word, "://") && !strings.Contains(word, "?") {
			continue
		}
		s, err := ParseScope(word)
		if err != nil {
			return nil, err
		}
		if scopes = append(scopes, s); len(scopes) > maxScopes {
			return nil, fault.Newf(fault.Invalid, "too-long", "there are more than %d scopes", maxScopes)
		}
	}
	return scopes, nil
}

// ParseScope reads one resource scope. Errors: Invalid.
func ParseScope(word string) (Scope, error) {
	m := scopeForm.FindStringSubmatch(word)
	if m == nil {
		return Scope{}, fault.Newf(fault.Invalid, "value", "a scope is not of the form system/Type.cruds or system/Type.read")
	}
	verbs, ok := parseVerbs(m[3])
	if !ok {
		return Scope{}, fault.Newf(fault.Invalid, "value", "a scope names verbs other than letters of cruds, in that order, read, write or *")
	}
	where, err := parseWhere(m[4])
	return Scope{Context: Context(m[1]), Type: m[2], Verbs: verbs, Where: where}, err
}

func parseVerbs(word string) (Verbs, bool) {
	switch word {
	case "read":
		return Read | Search, true
	case "write":
		return Create | Update | Delete, true
	case "*":
		return AllVerbs, true
	}
	var verbs Verbs
	last := -1
	for _, letter := range word {
		at := strings.IndexRune(verbLetters, letter)
		if at <= last {
			return 0, false
		}
		verbs, last = verbs|1<<at, at
	}
	return verbs, verbs != 0
}

func parseWhere(query string) ([]Param, error) {
	if query == "" {
		return nil, nil
	}
	var where []Param
	for part := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(part, "=")
		value, ok := unescape(value)
		if !ok || value == "" || !slices.Contains(checkable, name) {
			return nil, fault.Newf(fault.Invalid, "not-supported", "a scope restricts what cannot be checked; what can be is %s",
				strings.Join(checkable, ", "))
		}
		where = append(where, Param{name, strings.Split(value, ",")})
	}
	return where, nil
}

// String is the scope in the words of SMART v2.
func (s Scope) String() string {
	var b strings.Builder
	b.WriteString(string(s.Context) + "/" + s.Type + "." + s.Verbs.String())
	for i, p := range s.Where {
		if i == 0 {
			b.WriteByte('?')
		} else {
			b.WriteByte('&')
		}
		b.WriteString(p.Name + "=" + escaped(strings.Join(p.Values, ",")))
	}
	return b.String()
}

// unescape undoes percent encoding.
func unescape(text string) (string, bool) {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '%' {
			b.WriteByte(text[i])
			continue
		}
		if i+2 >= len(text) {
			return "", false
		}
		n, err := strconv.ParseUint(text[i+1:i+3], 16, 8)
		if err != nil {
			return "", false
		}
		b.WriteByte(byte(n))
		i += 2
	}
	return b.String(), true
}

// escaped keeps what may stand in a scope as it is: people read them.
func escaped(value string) string {
	return strings.NewReplacer("%", "%25", "&", "%26", "+", "%2B", " ", "%20", "#", "%23").Replace(value)
}

// String lists the scopes.
func (s Scopes) String() string {
	words := make([]string, len(s))
	for i, one := range s {
		words[i] = one.String()
	}
	return strings.Join(words, " ")
}

// Narrow is what of the wanted scopes is allowed by these. A wanted scope that is allowed wholly stays as it is.
func (s Scopes) Narrow(wanted Scopes) Scopes {
	var granted Scopes
	for _, w := range wanted {
		for _, part := range s.narrowOne(w) {
			if !slices.ContainsFunc(granted, func(g Scope) bool { return g.String() == part.String() }) {
				granted = append(granted, part)
			}
		}
	}
	return granted
}

func (s Scopes) narrowOne(wanted Scope) []Scope {
	var parts []Scope
	for _, allowed := range s {
		part, ok := meet(allowed, wanted)
		if !ok {
			continue
		}
		if part.String() == wanted.String() {
			return []Scope{wanted}
		}
		parts = append(parts, part)
	}
	return parts
}

// meet is what two scopes both allow.
func meet(a, b Scope) (Scope, bool) {
	verbs := a.Verbs & b.Verbs
	if a.Context != b.Context || verbs == 0 {
		return Scope{}, false
	}
	typ := a.Type
	switch {
	case a.Type == Any:
		typ = b.Type
	case b.Type != Any && a.Type != b.Type:
		return Scope{}, false
	}
	where := slices.Clone(b.Where)
	for _, p := range a.Where {
		if !slices.ContainsFunc(where, func(q Param) bool { return p.Name == q.Name && slices.Equal(p.Values, q.Values) }) {
			where = append(where, p)
		}
	}
	return Scope{Context: a.Context, Type: typ, Verbs: verbs, Where: where}, true
}

// covers says whether the scope is about a type and holds a verb, whatever it restricts. Who saw what is not among the
// data that a scope of all types is meant for: the audit wants a scope of its own, or one that allows everything.
func (s Scope) covers(typ string, verb Verbs) bool {
	if typ == "AuditEvent" && s.Type == Any && s.Verbs != AllVerbs {
		return false
	}
	return (s.Type == Any || s.Type == typ) && s.Verbs&verb == verb
}

// Allow says whether some of a type may be done a verb to. Which of it, Sees says.
func (p Principal) Allow(typ string, verb Verbs) bool {
	return slices.ContainsFunc(p.Scopes, func(s Scope) bool { return p.inForce(s) && s.covers(typ, verb) })
}

// AllowFreely says whether every resource of a type may be done a verb to; what restricts a scope to patients alone is left
// to Sees.
func (p Principal) AllowFreely(typ string, verb Verbs) bool {
	return slices.ContainsFunc(p.Scopes, func(s Scope) bool {
		return p.inForce(s) && s.covers(typ, verb) && !slices.ContainsFunc(s.Where, func(w Param) bool { return !aboutPatients(w.Name) })
	})
}

// AllowAll says whether every type may be done every verb to, without any restriction.
func (p Principal) AllowAll(verb Verbs) bool {
	return slices.ContainsFunc(p.Scopes, func(s Scope) bool {
		return s.Context != OnePatient && s.Type == Any && s.Verbs&verb == verb && len(s.Where) == 0
	})
}

// ByPatient says whether one of the scopes reaches some patients only.
func (s Scopes) ByPatient() bool {
	return slices.ContainsFunc(s, func(one Scope) bool {
		return one.Context == OnePatient || slices.ContainsFunc(one.Where, func(w Param) bool { return aboutPatients(w.Name) })
	})
}

func (p Principal) inForce(s Scope) bool { return s.Context != OnePatient || p.Patient != "" }

func aboutPatients(param string) bool { return param == "patient" || param == "subject" }
