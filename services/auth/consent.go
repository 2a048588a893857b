package auth

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/rapport-health/rapport/services/domain/access"
)

// consentForm is what of a FHIR Consent a decision needs.
type consentForm struct {
	ID       string         `json:"id"`
	Status   string         `json:"status"`
	Scope    concept        `json:"scope"`
	DateTime string         `json:"dateTime"`
	Provides *provisionForm `json:"provision"`
}

type provisionForm struct {
	Type   string `json:"type"`
	Period struct{ Start, End string }
	Actor  []struct {
		Role      concept   `json:"role"`
		Reference reference `json:"reference"`
	} `json:"actor"`
	Action        []concept         `json:"action"`
	SecurityLabel []coding          `json:"securityLabel"`
	Purpose       []coding          `json:"purpose"`
	Class         []coding          `json:"class"`
	Code          []json.RawMessage `json:"code"`
	DataPeriod    json.RawMessage   `json:"dataPeriod"`
	Data          []json.RawMessage `json:"data"`
	Provision     []provisionForm   `json:"provision"`
}

type concept struct {
	Coding []coding `json:"coding"`
	Text   string   `json:"text"`
}

type coding struct {
	Code string `json:"code"`
}

// readConsent reads one that is about privacy; ok is false for any other. One that cannot be read denies everything: the
// patient said something, and it is not known what.
func readConsent(raw []byte) (c access.Consent, ok bool) {
	var form consentForm
	if json.Unmarshal(raw, &form) != nil {
		return access.Consent{Active: true, Provision: access.Provision{Denies: true}}, true
	}
	privacy := len(form.Scope.Coding) == 0
	for _, one := range form.Scope.Coding {
		privacy = privacy || one.Code == "patient-privacy"
	}
	if !privacy {
		return c, false
	}
	c = access.Consent{ID: form.ID, Active: form.Status == "active", At: from(form.DateTime), Provision: access.Provision{Silent: true}}
	if form.Provides != nil {
		c.Provision = form.Provides.provision()
	}
	return c, true
}

func (f provisionForm) provision() access.Provision {
	p := access.Provision{
		Denies: f.Type == "deny", Silent: f.Type == "", From: from(f.Period.Start), To: until(f.Period.End),
		Purposes: codes(f.Purpose), Labels: codes(f.SecurityLabel), Classes: codes(f.Class),
		Unknown: len(f.Code) > 0 || len(f.DataPeriod) > 0 || len(f.Data) > 0,
	}
	for _, a := range f.Actor {
		to := ""
		if parts := strings.Split(a.Reference.Reference, "/"); len(parts) >= 2 {
			to = strings.Join(parts[len(parts)-2:], "/")
		}
		switch {
		case to != "":
			p.Actors = append(p.Actors, to)
		case len(a.Role.Coding) > 0:
			p.Actors = append(p.Actors, codes(a.Role.Coding)...)
		default:
			p.Unknown = true
		}
	}
	p.Unknown = p.Unknown || limitsActions(f.Action)
	for _, within := range f.Provision {
		p.Within = append(p.Within, within.provision())
	}
	return p
}

// limitsActions says whether a provision is about other actions than seeing.
func limitsActions(actions []concept) bool {
	for _, a := range actions {
		for _, c := range a.Coding {
			if c.Code == "access" || c.Code == "disclose" || c.Code == "use" {
				return false
			}
		}
	}
	return len(actions) > 0
}

func codes(of []coding) []string {
	var out []string
	for _, c := range of {
		out = append(out, c.Code)
	}
	return out
}

// layouts of a FHIR dateTime, with how long each precision lasts.
var layouts = []struct {
	layout string
	years  int
	months int
	days   int
}{{time.RFC3339Nano, 0, 0, 0}, {"2006-01-02", 0, 0, 1}, {"2006-01", 0, 1, 0}, {"2006", 1, 0, 0}}

// from is the beginning of a dateTime, until its end; zero where there is none.
func from(text string) time.Time {
	for _, l := range layouts {
		if t, err := time.Parse(l.layout, text); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}

func until(text string) time.Time {
	for i, l := range layouts {
		if t, err := time.Parse(l.layout, text); err == nil {
			if i == 0 {
				return t.UTC().Add(time.Nanosecond)
			}
			return t.UTC().AddDate(l.years, l.months, l.days)
		}
	}
	return time.Time{}
}

// labelsOf are the codes in meta.security.
func labelsOf(raw []byte) []string {
	var form struct {
		Meta struct {
			Security []coding `json:"security"`
		} `json:"meta"`
	}
	if json.Unmarshal(raw, &form) != nil {
		return nil
	}
	return codes(form.Meta.Security)
}
