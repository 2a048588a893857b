package alert_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/episode"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/ref"
)

func member(id string, roles ...string) episode.Member {
	return episode.Member{Clinician: ref.Clinician("Practitioner/" + id), Team: "spine", Roles: roles}
}

// cared is a patient of the team spine with these members.
func cared(members ...episode.Member) *episode.State {
	s := episode.New("p")
	s.Teams = []episode.Team{{ID: "spine"}}
	s.Members = members
	return s
}

// told says who is told and why, such as `Practitioner/a as nurse by role`.
func told(r alert.Routing) (all []string) {
	for _, one := range r.Recipients {
		all = append(all, one.Person+" as "+one.Role+" by "+string(one.Reason))
	}
	return all
}

func TestAnAlertGoesToTheFirstRoleThatSomebodyHasElseToTheLeadElseToNobody(t *testing.T) {
	pt, ot := member("pt", "http://snomed.info/sct|36682004"), member("ot", "occupational-therapist")
	second := member("pt2", "http://nucc.org/provider-taxonomy|225100000X")
	lead := member("lead", "http://snomed.info/sct|768820003")
	body := []string{"physical-therapist", "occupational-therapist"}
	tests := []struct {
		name   string
		state  *episode.State
		asked  alert.Asked
		want   []string
		reason alert.Reason
		feeds  []feed.Name
	}{
		{
			"the first choice alone", cared(ot, pt, second, lead),
			alert.Asked{Roles: body},
			[]string{"Practitioner/pt as physical-therapist by role", "Practitioner/pt2 as physical-therapist by role"},
			alert.ByRole,
			[]feed.Name{"team:spine"},
		},
		{
			"the second where nobody has the first", cared(ot, lead),
			alert.Asked{Roles: body},
			[]string{"Practitioner/ot as occupational-therapist by role"},
			alert.ByRole,
			[]feed.Name{"team:spine"},
		},
		{
			"each role where each is asked", cared(ot, pt),
			alert.Asked{Roles: body, Each: true},
			[]string{"Practitioner/pt as physical-therapist by role", "Practitioner/ot as occupational-therapist by role"},
			alert.ByRole,
			[]feed.Name{"team:spine"},
		},
		{
			"the lead for a role that is missing", cared(ot, lead),
			alert.Asked{Roles: []string{"psychologist"}, Lead: []string{"physician", "care-coordinator"}},
			[]string{"Practitioner/lead as care-coordinator by lead"},
			alert.ByLead,
			[]feed.Name{"team:spine"},
		},
		{
			"unassigned without a lead", cared(ot),
			alert.Asked{Roles: []string{"psychologist"}, Lead: []string{"physician"}},
			nil, alert.ByNobody,
			[]feed.Name{"team:spine", "unassigned"},
		},
		{
			"unassigned without a team", episode.New("p"),
			alert.Asked{Roles: body, Lead: []string{"physician"}},
			nil, alert.ByNobody,
			[]feed.Name{"unassigned"},
		},
		{
			"never the rated clinician, but who else has the role", cared(pt, second, lead),
			alert.Asked{Roles: body, Rated: "Practitioner/pt"},
			[]string{"Practitioner/pt2 as physical-therapist by role"},
			alert.ByRole,
			[]feed.Name{"team:spine"},
		},
		{
			"the lead where only the rated clinician has the role", cared(pt, lead),
			alert.Asked{Roles: body, Lead: []string{"care-coordinator"}, Rated: "Practitioner/pt"},
			[]string{"Practitioner/lead as care-coordinator by lead"},
			alert.ByLead,
			[]feed.Name{"team:spine"},
		},
		{
			"unassigned where the rated clinician is the lead too", cared(member("pt", "physical-therapist", "care-coordinator")),
			alert.Asked{Roles: body, Lead: []string{"care-coordinator"}, Rated: "Practitioner/pt"},
			nil, alert.ByNobody,
			[]feed.Name{"team:spine", "unassigned"},
		},
		{
			"a role of the clinic's own", cared(member("x", "https://clinic.example/roles|yoga")),
			alert.Asked{Roles: []string{"yoga"}},
			[]string{"Practitioner/x as yoga by role"},
			alert.ByRole,
			[]feed.Name{"team:spine"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := alert.Route(test.state, test.asked)
			if diff := cmp.Diff(test.want, told(r)); diff != "" || r.Reason != test.reason {
				t.Errorf("by %s:\n%s", r.Reason, diff)
			}
			if diff := cmp.Diff(test.feeds, r.Feeds); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestACarePartnerIsToldOnlyByARuleThatSaysSoAndHasATextForThem(t *testing.T) {
	s := cared(member("pt", "physical-therapist"))
	s.Partners = []episode.Partner{
		{Person: "RelatedPerson/r2", Team: "spine"},
		{Person: "RelatedPerson/r1", Team: "spine"},
		{Person: "RelatedPerson/r1", Team: "knee"},
		{Person: "RelatedPerson/no id", Team: "spine"},
	}
	both := []string{"physical-therapist", alert.CarePartner}
	for _, test := range []struct {
		asked alert.Asked
		want  []feed.Name
	}{
		{alert.Asked{Roles: both, Partner: true}, []feed.Name{"partner:r1", "partner:r2"}},
		{alert.Asked{Roles: both}, nil},
		{alert.Asked{Roles: both[:1], Partner: true}, nil},
	} {
		r := alert.Route(s, test.asked)
		if diff := cmp.Diff(test.want, r.Partners); diff != "" {
			t.Errorf("%+v:\n%s", test.asked, diff)
		}
		if r.Reason != alert.ByRole || r.Recipients[0].Person != "Practitioner/pt" || len(r.Recipients) != 1+len(test.want) {
			t.Errorf("%+v: %v", test.asked, told(r))
		}
	}
	alone := alert.Route(s, alert.Asked{Roles: both[1:], Partner: true})
	if alone.Reason != alert.ByNobody || len(alone.Partners) != 2 {
		t.Errorf("a care partner takes the place of a clinician: %s, %v", alone.Reason, told(alone))
	}
}

func TestNobodyIsToldTwiceAndTheRatedClinicianNever(t *testing.T) {
	words := []string{"physical-therapist", "nurse", "physician", alert.CarePartner}
	drawRoles := rapid.SliceOfN(rapid.SampledFrom(words), 0, 4)
	rapid.Check(t, func(t *rapid.T) {
		var members []episode.Member
		for range rapid.IntRange(0, 6).Draw(t, "members") {
			members = append(members, member(rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "id"), drawRoles.Draw(t, "has")...))
		}
		rated := rapid.SampledFrom([]string{"", "Practitioner/a", "Practitioner/b"}).Draw(t, "rated")
		r := alert.Route(cared(members...), alert.Asked{
			Roles: drawRoles.Draw(t, "roles"), Lead: drawRoles.Draw(t, "lead"), Rated: rated, Each: rapid.Bool().Draw(t, "each"),
		})
		seen := map[string]bool{}
		for _, one := range r.Recipients {
			if seen[one.Person] || one.Person == rated {
				t.Fatalf("%v, rated %s", told(r), rated)
			}
			seen[one.Person] = true
		}
		if unassigned := r.Feeds[len(r.Feeds)-1] == feed.Unassigned; unassigned != (len(r.Recipients) == 0) {
			t.Fatalf("%v are told in %v", told(r), r.Feeds)
		}
	})
}
