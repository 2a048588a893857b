package cds

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/rapport-health/rapport/services/domain/access"
	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/alliance"
	"github.com/rapport-health/rapport/services/domain/episode"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
)

// maxCards of one answer: more are not read.
const maxCards = 2

// answer of a hook. No advice is an empty list.
type answer struct {
	Cards []card `json:"cards"`
}

func (s *Server) hook(r *http.Request) (any, error) {
	of, err := serviceOf(r)
	if err != nil {
		return nil, err
	}
	a, err := s.ask(r, of)
	if err != nil {
		return nil, err
	}
	var found known
	err = s.config.Store.View(a.ctx(r.Context()), a.who.Tenant, func(r store.Reader) (err error) {
		found, err = s.know(r, &a)
		return err
	})
	if kind := fault.Of(err); err != nil && (kind == fault.Unavailable || kind == fault.Internal) {
		s.config.Log.Error("what a CDS service answers from could not be read", "kind", kind.String(), "error", err)
		err = &refusal{http.StatusPreconditionFailed, fault.Newf(fault.Precondition, "transient", "what is known of the patient cannot be read at the moment")}
	}
	if err != nil {
		return nil, err
	}
	return answer{s.cards(&a, found)}, nil
}

// known is what is known of a patient, as the person who asks may read it. The zero value is nothing.
type known struct {
	patient ref.Patient
	view    episode.View
	// sights of live alerts, most urgent first.
	sights []alert.Sight
}

// know reads the state, as it was folded at the last fact, and the alerts.
func (s *Server) know(r store.Reader, a *asked) (known, error) {
	state, err := s.find(r, a)
	if err != nil || state == nil {
		return known{}, err
	}
	if a.role != (ref.Resource{}) {
		if a.who, err = behind(r, a.who, ref.Resource{Type: a.role.Type, ID: s.config.Namer.ID(a.source, a.role.ID)}); err != nil {
			return known{}, err
		}
	}
	alerts, err := r.AlertsOf([]ref.Episode{state.Episode})
	if err != nil {
		return known{}, err
	}
	k := known{patient: state.Patient, view: viewFor(a.who, state)}
	for _, one := range alerts[state.Episode] {
		if one.Status != alert.Open && one.Status != alert.Acknowledged {
			continue // put off by somebody, or not told yet
		}
		if sight, ok := one.As(reader(a.who, one)); ok {
			k.sights = append(k.sights, sight.In(cmp.Or(a.language, one.Language)))
		}
	}
	slices.SortStableFunc(k.sights, byUrgency)
	return k, nil
}

// byUrgency puts what nobody has taken first, then what is graver, then what is newer.
func byUrgency(a, b alert.Sight) int {
	taken := func(s alert.Sight) int {
		if s.Status == alert.Acknowledged {
			return 1
		}
		return 0
	}
	return cmp.Or(cmp.Compare(taken(a), taken(b)), cmp.Compare(b.Severity, a.Severity), b.Effective.Compare(a.Effective), cmp.Compare(a.ID, b.ID))
}

// find is the state of the patient: by the id that the client gives them, or else by an identifier; nil when the patient is
// not known here, of whom there is nothing to advise.
func (s *Server) find(r store.Reader, a *asked) (*episode.State, error) {
	id := ref.Patient(s.config.Namer.ID(a.source, a.local))
	aliases, err := r.Patients(append([]string{id.Reference()}, a.identifiers...))
	if err != nil {
		return nil, err
	}
	candidates := []ref.Patient{id}
	for _, name := range append([]string{id.Reference()}, a.identifiers...) {
		if alias, ok := aliases[name]; ok {
			candidates = append(candidates, alias.Patient)
		}
	}
	episodes := make([]ref.Episode, len(candidates))
	for i, p := range candidates {
		episodes[i] = ref.EpisodeOf(p)
	}
	states, err := r.States(episodes)
	if err != nil {
		return nil, err
	}
	for _, e := range episodes {
		if state := states[e]; state != nil && state.Form == episode.Form {
			return state, nil
		} else if state != nil {
			return anew(r, state)
		}
	}
	return nil, nil
}

// anew folds a state that was kept in an older form, as the next fact would.
func anew(r store.Reader, stored *episode.State) (*episode.State, error) {
	facts, err := r.Facts([]ref.Episode{stored.Episode})
	if err != nil {
		return nil, err
	}
	return stored.Terms().New(stored.Patient).Replay(facts[stored.Episode]), nil
}

// behind is the practitioner whose role is given; where that is not stored the role stays.
func behind(r store.Reader, who access.Principal, role ref.Resource) (access.Principal, error) {
	stored, err := r.Record(role)
	switch {
	case err != nil && fault.Of(err) == fault.NotFound:
		return who, nil
	case err != nil:
		return who, err
	}
	var body struct {
		Practitioner struct {
			Reference string `json:"reference"`
		} `json:"practitioner"`
	}
	if json.Unmarshal(stored.Raw, &body) != nil {
		return who, nil
	}
	parts := strings.Split(body.Practitioner.Reference, "/")
	if n := len(parts); n >= 2 && parts[n-2] == "Practitioner" {
		who.Person = "Practitioner/" + parts[n-1]
	}
	return who, nil
}

// reader is who reads an alert: behind a role that is not known further may be the very clinician whom the patient rated.
func reader(who access.Principal, of alert.Alert) access.Principal {
	if of.Rated != "" && strings.HasPrefix(who.Person, "PractitionerRole/") {
		who.Person = of.Rated
	}
	return who
}

// fromRatings are the reasons that tell what the patient said of clinicians.
var fromRatings = map[string]bool{
	"rupture-and-low-adherence": true, "rupture": true, "drawing-back": true, "srs": true, "strain": true, "part-divergence": true,
	"weak-link": true, "alliance-gap": true,
}

// viewFor is the fused view without what the patient said of the one who reads. Patients and care partners read none of it:
// it is written for clinicians.
func viewFor(who access.Principal, state *episode.State) episode.View {
	if lay(who) {
		return episode.View{Tier: episode.Steady}
	}
	v := state.View()
	unknown := strings.HasPrefix(who.Person, "PractitionerRole/")
	rated := false
	for _, d := range state.Dyads {
		rated = rated || d.Rater != alliance.Clinician && (unknown || string(d.Clinician) == who.Person)
	}
	if !rated {
		return v
	}
	v.Reasons = slices.DeleteFunc(slices.Clone(v.Reasons), func(r episode.Reason) bool { return fromRatings[r.Code] })
	v.Tier = episode.Steady
	if len(v.Reasons) > 0 {
		v.Tier = v.Reasons[0].Tier
	}
	return v
}

// lay says whether a principal acts for somebody who is not on the staff.
func lay(p access.Principal) bool {
	return strings.HasPrefix(p.Person, "Patient/") || strings.HasPrefix(p.Person, "RelatedPerson/")
}
