package rest

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/fhir"
	"github.com/rapport-health/rapport/services/fhir/search"
)

// everything gives all that is held about a patient.
var everything = operation{
	name: "everything", definition: "http://hl7.org/fhir/OperationDefinition/Patient-everything", getToo: true,
	doc: "All that is held about a patient, and who is referred to by nothing else: as searchset Bundles, by pages when there is much. " +
		"Parameters: start, end, _since, _type, _count.",
	onInstance: (*call).everything,
}

// compartmentKinds are the types of what is held about a patient, the patient first.
func compartmentKinds() []*kind {
	out := []*kind{}
	for i := range kinds {
		k := &kinds[i]
		if k.name == "Patient" {
			out = append([]*kind{k}, out...)
			continue
		}
		if _, _, ok := k.compartment(""); ok && k.name != "Group" { // a Group names others, too
			out = append(out, k)
		}
	}
	return out
}

// everythingCount is how many resources a page holds unless less is asked for.
const everythingCount = 500

func (c *call) everything() error {
	id := c.r.PathValue("id")
	if !ref.ValidID(id) {
		return unknownResource()
	}
	values, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		return badQuery()
	}
	a, err := c.readAll(values, id)
	if err != nil {
		return err
	}
	var bundle []byte
	err = c.look(func(v *sight) (err error) {
		if _, err = v.Record(ref.Resource{Type: "Patient", ID: id}); err != nil {
			return gone(err)
		}
		again := *a
		if again.kinds, err = a.andKept(v); err != nil {
			return err
		}
		bundle, err = again.page(v)
		return err
	})
	if err != nil {
		return err
	}
	c.issueHeaders(a.ignored)
	c.reply(http.StatusOK, bundle)
	return nil
}

// all is a reading of everything about a patient.
type all struct {
	*call
	patient string
	kinds   []*kind
	// wanted are the types that were asked for; nil for all.
	wanted map[string]bool
	// narrowing conditions, by parameter: `_lastUpdated` of _since, and the dates of start and end.
	since, start, end string
	count             int
	cursor            cursor
	used              url.Values
	// ignored are the parameters that do not count.
	ignored []fault.Issue
}

func (c *call) readAll(values url.Values, id string) (*all, error) {
	a := &all{call: c, patient: id, kinds: compartmentKinds(), count: everythingCount, used: url.Values{}}
	a.cursor.now = c.config.Now()
	for name := range values {
		value := values.Get(name)
		switch name {
		case "_since":
			a.since = value
		case "start":
			a.start = value
		case "end":
			a.end = value
		case "_type":
			wanted := map[string]bool{}
			for _, typ := range search.Split(value, ',') {
				wanted[typ] = true
			}
			var kept []*kind
			for _, k := range a.kinds {
				if wanted[k.name] {
					kept = append(kept, k)
				}
			}
			a.kinds, a.wanted = kept, wanted
		case "_count":
			n, err := strconv.Atoi(value)
			if err != nil || n < 1 {
				return nil, fault.New(fault.Invalid, fault.Errorf("value", "", "the parameter _count must be a whole number, 1 or more"))
			}
			a.count = min(n, maxCount)
		case pageParam:
			at, err := parseCursor(value)
			if err != nil {
				return nil, err
			}
			a.cursor = at
			continue
		case "_format", "_pretty":
			continue
		default:
			if c.prefer.strict {
				return nil, fault.New(fault.Invalid, fault.Errorf("not-supported", "", "the parameter %s is not supported", shownParam(name)))
			}
			a.ignored = append(a.ignored, fault.Warnf("not-supported", "", "the parameter %s is not supported and was not applied", shownParam(name)))
			continue
		}
		a.used.Set(name, value)
	}
	return a, nil
}

// page reads on, type by type, until the page is full.
func (a *all) page(v *sight) ([]byte, error) {
	out := fhir.Searchset{Self: withQuery(a.base+"/Patient/"+a.patient+"/$everything", a.used)}
	at := a.cursor
	if at.upto == nil {
		extents, err := v.Extents(feed.All)
		if err != nil {
			return nil, err
		}
		at.upto = new(int64)
		if len(extents) > 0 {
			*at.upto = extents[0].Last
		}
	}
	bytes := 0
	for at.part < len(a.kinds) {
		q, err := a.inquiry(a.kinds[at.part], at, a.count-len(out.Matches))
		if err != nil {
			return nil, err
		}
		f, err := q.run(a.r.Context(), v)
		if err != nil {
			return nil, err
		}
		for _, h := range f.hits {
			bytes += len(h.served)
			out.Matches = append(out.Matches, fhir.Match{FullURL: a.base + "/" + h.typ + "/" + h.id, Resource: h.served})
		}
		if at.after = f.reached; !f.more {
			at.part, at.after = at.part+1, place{}
		}
		if len(out.Matches) >= a.count || bytes >= pageBytes {
			break
		}
	}
	if at.part < len(a.kinds) {
		values := url.Values{pageParam: {at.String()}}
		for name, list := range a.used {
			values[name] = list
		}
		out.Next = withQuery(a.base+"/Patient/"+a.patient+"/$everything", values)
	} else if a.cursor.upto == nil {
		out.Total = new(len(out.Matches))
	}
	return out.Bundle(), nil
}

// andKept adds the types that are not taken here of which something was kept that came in a Bundle through the other door.
func (a *all) andKept(v *sight) ([]*kind, error) {
	types, err := v.Types()
	if err != nil {
		return nil, err
	}
	out := slices.Clip(a.kinds)
	for _, typ := range types {
		if _, known := kindOf(typ); !known && (a.wanted == nil || a.wanted[typ]) {
			out = append(out, &kind{name: typ, find: []finder{findKept}})
		}
	}
	return out, nil
}

// findKept looks among what is stored of a patient as it is now: what has changed since the first page is left out.
func findKept(v *sight, q *inquiry) ([]lookup, error) { return q.ways(v) }

// careDates are the parameters by which start and end bound what was done; what stands beside care, such as a CareTeam, a
// Consent or a Goal, is there whenever it began.
var careDates = map[string]string{
	"Appointment": "date", "DetectedIssue": "identified", "Encounter": "date", "Observation": "date", "Provenance": "recorded",
	"QuestionnaireResponse": "authored", "ServiceRequest": "authored", "Task": "authored-on",
}

// inquiry is the search for one type.
func (a *all) inquiry(k *kind, at cursor, count int) (*inquiry, error) {
	name, value, _ := k.compartment(ref.Patient(a.patient))
	values := url.Values{name: {value}}
	if a.since != "" {
		values.Set("_lastUpdated", "ge"+a.since)
	}
	if date := careDates[k.name]; date != "" {
		if a.start != "" {
			values.Add(date, "ge"+a.start)
		}
		if a.end != "" {
			values.Add(date, "le"+a.end)
		}
	}
	_, known := kindOf(k.name)
	if !known {
		delete(values, name) // it has no parameters: the store alone knows whom it is about
	}
	q, err := readInquiry(k, values, a.base, a.config.Now().In(a.config.Zone))
	if err != nil {
		return nil, err
	}
	if !known {
		q.patients, q.narrowed = []ref.Patient{ref.Patient(a.patient)}, true
	}
	q.count, q.uncounted = count, true
	q.cursor.after, q.cursor.upto, q.cursor.now = at.after, at.upto, at.now
	return q, nil
}
