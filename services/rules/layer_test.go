package rules

import (
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/judge"
)

// files is what stands on a disk.
type files map[string]string

func (f files) read(path string) ([]byte, error) {
	text, is := f[path]
	if !is {
		return nil, fs.ErrNotExist
	}
	return []byte(text), nil
}

func (f files) set(t *testing.T) *Set {
	t.Helper()
	set, err := ReadWith("clinic.yaml", f.read)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func clinic(t *testing.T, text string) *Set {
	t.Helper()
	return files{"clinic.yaml": text}.set(t)
}

func (s *Set) rule(t *testing.T, id string) judge.Rule {
	t.Helper()
	leaf, known := s.Leaf(id)
	if !known {
		t.Fatalf("there is no rule %s", id)
	}
	return leaf.Rule
}

func TestAClinicsFileLiesOverTheDefaultSet(t *testing.T) {
	base, err := Standard()
	if err != nil {
		t.Fatal(err)
	}
	set := clinic(t, "disable: [hep-low, alliance-strain]\n"+small+strings.Replace(strings.TrimPrefix(small, "rules:\n"), "id: tired", "id: silence", 1))
	if len(set.Rules) != len(base.Rules)-2+1 || set.rule(t, "silence").Title != "Tired" || set.Rules[len(set.Rules)-1].ID != "tired" {
		t.Errorf("%d rules of %d", len(set.Rules), len(base.Rules))
	}
	if base.rule(t, "silence").Title == "Tired" || set.Version == base.Version || len(set.Files) != 1 || set.Files[0].Path != "clinic.yaml" {
		t.Errorf("the base changed, or the version did not: %s, files %v", set.Version, set.Files)
	}
	if _, is := set.Leaf("hep-low"); is {
		t.Error("a rule that is turned off is in force")
	}
}

func TestTheLeadRolesOfThePolicyStandWhereARuleNamesThem(t *testing.T) {
	set := files{"clinic.yaml": "roles: [chief]\npolicy: {lead-roles: [chief, nurse]}\nchange:\n  nobody-assigned: {severity: critical, ladder: [{after: 1h, roles: [physician, lead-roles]}]}\n"}.set(t)
	of := func(s *Set) judge.Rule {
		return s.Rules[slices.IndexFunc(s.Rules, func(r judge.Rule) bool { return r.ID == "nobody-assigned" })]
	}
	r := of(set)
	if !slices.Equal(r.Roles, []string{"chief", "nurse"}) || !slices.Equal(r.Ladder[0].Roles, []string{"physician", "chief", "nurse"}) || r.Severity != judge.Critical {
		t.Errorf("%+v", r)
	}
	base, err := Standard()
	if err != nil {
		t.Fatal(err)
	}
	if leads := of(base).Roles; !slices.Equal(leads, base.Policy.Lead) {
		t.Errorf("by default %v are told", leads)
	}
	none := files{"clinic.yaml": "disable: [nobody-assigned]\n"}.set(t)
	if _, is := none.Leaf("nobody-assigned"); is {
		t.Error("it cannot be turned off")
	}
}

func TestAFileMayStandAloneOrOverAnother(t *testing.T) {
	group := "extends: none\n" + small
	set := files{"clinic.yaml": "extends: group.yaml\nchange:\n  tired: {severity: high}\n", "group.yaml": group}.set(t)
	if len(set.Rules) != 2 || set.Rules[1].Severity != judge.High || len(set.Files) != 2 || set.Files[0].Path != "group.yaml" {
		t.Errorf("%d rules, files %v", len(set.Rules), set.Files)
	}
	for name, f := range map[string]files{
		"themselves":    {"clinic.yaml": "extends: clinic.yaml\n"},
		"a circle":      {"clinic.yaml": "extends: a.yaml\n", "a.yaml": "extends: clinic.yaml\n"},
		"no file":       {"clinic.yaml": "extends: none.yaml\n"},
		"a broken file": {"clinic.yaml": "extends: a.yaml\n", "a.yaml": "rules: 3\n"},
	} {
		if _, err := ReadWith("clinic.yaml", f.read); err == nil || len(fault.IssuesOf(err)) != 1 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := ReadWith("gone.yaml", files{}.read); fault.Of(err) != fault.NotFound {
		t.Errorf("a file that is not there: %v", err)
	}
}

func TestARuleOfTheBaseIsChangedWithoutBeingCopied(t *testing.T) {
	base, _ := Standard()
	set := clinic(t, `
change:
  hep-low:
    severity: moderate
    roles: [nurse]
    cooldown: 7d
    hold-for: 36h
    ladder: [{after: 2d, roles: [care-coordinator]}]
    ack-timeout: 10d
    each-role: true
    cause: ours
    languages:
      fr: {title: "Peu d'exercices", seen: "{done} sur {due}", question: "Pourquoi ?", phrase: Courage.}
`)
	r, before := set.rule(t, "hep-low"), base.rule(t, "hep-low")
	if r.Severity != judge.Moderate || r.CoolDown != 7*24*time.Hour || r.HoldFor != 36*time.Hour || r.AckTimeout != 10*24*time.Hour || !r.EachRole || r.Cause != "ours" {
		t.Errorf("%+v", r)
	}
	if diff := cmp.Diff([]judge.Rung{{After: 48 * time.Hour, Roles: []string{"care-coordinator"}}}, r.Ladder); diff != "" {
		t.Error(diff)
	}
	if r.Version == before.Version || r.Title != before.Title || before.Severity != judge.Info {
		t.Errorf("version %s, before %s", r.Version, before.Version)
	}
	leaf, _ := set.Leaf("hep-low")
	if !slices.Equal(leaf.Languages, []string{"de", "es", "fr"}) {
		t.Errorf("languages %v", leaf.Languages)
	}
	findings := play([]judge.Rule{r}, before.Tests[0].Facts)
	if len(findings) != 1 || findings[0].Translations["fr"].Seen != "3 sur 14" || findings[0].Rule.Severity != judge.Moderate {
		t.Errorf("findings %+v", findings)
	}
}

func TestWhatAFileSaysOfRulesBelowIsCheckedWithItsPlace(t *testing.T) {
	for text, want := range map[string]string{
		"disable: [hep-lo]\n":                                                                        "clinic.yaml:1:11: there is no rule 'hep-lo' below; did you mean 'hep-low'?",
		"change:\n  hep-lo: {severity: info}\n":                                                      "clinic.yaml:2:3: there is no rule 'hep-lo' below; did you mean 'hep-low'?",
		"change:\n  hep-low: {severty: info}\n":                                                      "clinic.yaml:2:13: unknown field 'severty'; did you mean 'severity'?",
		"change:\n  hep-low: {when: 'true'}\n":                                                       "clinic.yaml:2:13: unknown field 'when'",
		"change:\n  phq9-item-9: {cooldown: 1d}\n":                                                   "clinic.yaml:2:16: a safety finding is never held back",
		"change:\n  hep-low: {clears: after.hep.clsed}\n":                                            "clinic.yaml:2:30: undefined field 'clsed'; did you mean 'closed'?",
		"change:\n  hep-low: {languages: {fr: {seen: '{dne}'}}}\n":                                   "there is no number or text 'dne'; did you mean 'done'?",
		"change:\n  hep-low: {ladder: [{after: 2d, roles: [nurse]}, {after: 1d, roles: [nurse]}]}\n": "clinic.yaml:2:51: the ladder does not ascend",
	} {
		_, err := ReadWith("clinic.yaml", files{"clinic.yaml": text}.read)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v\nwant %s", text, err, want)
		}
	}
}

func TestASafetyRuleIsNotTurnedOffWithoutAWord(t *testing.T) {
	for text, want := range map[string]string{
		"disable: [phq9-item-9]\n":                                "clinic.yaml:1:11: the safety rule phq9-item-9 is turned off",
		"change:\n  phq9-item-9: {severity: high}\n":              "clinic.yaml:2:3: the safety rule phq9-item-9 is made less severe",
		strings.Replace(small, "id: tired", "id: phq9-item-9", 1): "clinic.yaml:2:5: the rule phq9-item-9 takes the place of a safety rule",
	} {
		set := clinic(t, text)
		if len(set.Warnings) != 1 || !strings.HasPrefix(set.Warnings[0].Path+": "+set.Warnings[0].Text, want) {
			t.Errorf("%q: %v", text, set.Warnings)
		}
	}
}

func TestThePolicyOfAClinicIsRead(t *testing.T) {
	set := clinic(t, `
roles: [music-therapist]
policy:
  language: de
  zone: Europe/Berlin
  lead-roles: [music-therapist, physician]
  quiet-hours:
    - {roles: [nurse], from: "19:30", to: "07:00", days: [friday, saturday]}
    - {from: "00:00", to: "05:00", zone: America/Bogota}
  budgets:
    - {role: physical-therapist, per-day: 8}
`)
	berlin, _ := time.LoadLocation("Europe/Berlin")
	bogota, _ := time.LoadLocation("America/Bogota")
	want := alert.Policy{
		Language: "de", Lead: []string{"music-therapist", "physician"},
		Quiet: []alert.Quiet{
			{Roles: []string{"nurse"}, From: 19*60 + 30, To: 7 * 60, Days: []time.Weekday{time.Friday, time.Saturday}, Zone: berlin},
			{From: 0, To: 5 * 60, Zone: bogota},
		},
		Budgets: []alert.Budget{{Role: "physical-therapist", PerDay: 8, Zone: berlin}},
	}
	if diff := cmp.Diff(want, set.Policy, cmp.Comparer(func(a, b *time.Location) bool { return a.String() == b.String() })); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	base, _ := Standard()
	if kept := clinic(t, "policy: {language: en}\n").Policy; len(kept.Lead) == 0 || !slices.Equal(kept.Lead, base.Policy.Lead) || kept.Language != "" {
		t.Errorf("what is not said stays: %+v", kept)
	}
	if set.Version == base.Version {
		t.Error("another policy has the same version")
	}
}

func TestMistakesOfAPolicyAreNamedWithTheirPlace(t *testing.T) {
	for text, want := range map[string]string{
		"policy: {quiet-hours: [{from: '25:00', to: '07:00'}]}\n":                     `clinic.yaml:1:31: a time of day was expected, such as "19:30"`,
		"policy: {quiet-hours: [{from: '07:00', to: '07:00'}]}\n":                     "the same moment",
		"policy: {quiet-hours: [{from: '07:00'}]}\n":                                  "the field 'to' is missing",
		"policy: {quiet-hours: [{from: '07:00', to: '08:00', days: [frieday]}]}\n":    "unknown day 'frieday'; did you mean 'friday'?",
		"policy: {budgets: [{role: nurse, per-day: 0}]}\n":                            "clinic.yaml:1:43: a number from 1 to 1000 was expected",
		"policy: {budgets: [{role: nurse, per-day: 3}, {role: nurse, per-day: 4}]}\n": "a second budget of the role 'nurse'",
		"policy: {lead-roles: [nurze]}\n":                                             "clinic.yaml:1:23: unknown role 'nurze'; did you mean 'nurse'?",
		"policy: {zone: Europe/Berlon}\n":                                             "clinic.yaml:1:16: unknown time zone 'Europe/Berlon'",
		"policy: {language: German}\n":                                                "clinic.yaml:1:20: a language is a tag such as de",
		"policy: {quiet: []}\n":                                                       "unknown field 'quiet'",
	} {
		_, err := ReadWith("clinic.yaml", files{"clinic.yaml": text}.read)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v\nwant %s", text, err, want)
		}
	}
}

func TestWordsOfTheGlossaryAreAClinicsOwnToo(t *testing.T) {
	set := clinic(t, "glossary:\n  isi: {en: Insomnia Index, fr: Indice}\n"+strings.NewReplacer(
		"    wording:\n", "    texts: {form: fact.instrument}\n    wording:\n", "Sleep {sleep} against", "Form {form} {sleep} against", "seen: \"Sleep 15.25", "seen: \"Form Insomnia Index 15.25",
	).Replace(small))
	if failed := Test(set.Rules[len(set.Rules)-1:]); len(failed) > 0 {
		t.Error(failed)
	}
}

func TestTheExampleOfTheReadmeWorksAsPrinted(t *testing.T) {
	page, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "```yaml\n")
	example, _, found := strings.Cut(rest, "```")
	if !found {
		t.Fatal("there is no example")
	}
	set := clinic(t, example)
	if failed := Test([]judge.Rule{set.rule(t, "night-pain")}); len(failed) > 0 {
		t.Error(failed)
	}
	for _, issue := range set.Lint() {
		if !strings.Contains(issue.Text, "not written in the language es") {
			t.Errorf("%s: %s", issue.Path, issue.Text)
		}
	}
}
