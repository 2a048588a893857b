// Package fact is one dated, immutable thing that happened to an episode.
//
// The JSON names of these types are a stored form: they may gain fields, never change or lose one.
package fact

import (
	"cmp"
	"slices"
	"time"

	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/domain/response"
)

// Kind of a fact.
type Kind string

// The kinds.
const (
	KindScores       Kind = "scores"
	KindExercise     Kind = "exercise"
	KindPrescription Kind = "prescription"
	KindVisit        Kind = "visit"
	KindTeam         Kind = "team"
	KindGoal         Kind = "goal"
	KindMeasure      Kind = "measure"
	KindCourse       Kind = "course"
	KindDeath        Kind = "death"
	KindRepair       Kind = "repair"
	KindClock        Kind = "clock"
)

// Fact is one thing that happened. Exactly one of the pointers is set, as Kind says.
type Fact struct {
	// ID is stable across versions of the resource it was taken from, so that a correction replaces it.
	ID string `json:"id"`
	// Kind says which of the pointers is set.
	Kind Kind `json:"kind"`
	// At is when it happened (not when it was heard of), UTC.
	At time.Time `json:"at"`
	// Recorded is when it was heard of, UTC. The fold does not read it.
	Recorded time.Time `json:"recorded"`
	// Source is the stored version it was taken from, or that left in force what an earlier one said; zero for the clock.
	Source ref.Resource `json:"source,omitzero"`

	Scores       *Scores       `json:"scores,omitempty"`
	Exercise     *Exercise     `json:"exercise,omitempty"`
	Prescription *Prescription `json:"prescription,omitempty"`
	Visit        *Visit        `json:"visit,omitempty"`
	Team         *Team         `json:"team,omitempty"`
	Goal         *Goal         `json:"goal,omitempty"`
	Measure      *Measure      `json:"measure,omitempty"`
	Course       *Course       `json:"course,omitempty"`
	Death        *Death        `json:"death,omitempty"`
	Repair       *Repair       `json:"repair,omitempty"`
	Clock        *Clock        `json:"clock,omitempty"`
}

// Key orders facts: by effective time, then by id, so that the order never depends on arrival.
type Key struct {
	At time.Time `json:"at"`
	ID string    `json:"id"`
}

// Key of the fact.
func (f Fact) Key() Key { return Key{f.At, f.ID} }

// Compare orders two keys.
func (k Key) Compare(other Key) int {
	if c := k.At.Compare(other.At); c != 0 {
		return c
	}
	return cmp.Compare(k.ID, other.ID)
}

// Scores is what one response, or one pre-scored Observation, said.
type Scores struct {
	// Instrument id, such as `phq-9`.
	Instrument string `json:"instrument"`
	// Version and Hash of the definition that scored it; Version is `external` for pre-scored Observations.
	Version string `json:"version"`
	Hash    string `json:"hash,omitempty"`
	// Status of the definition, provisional or licence-review; empty when it was ready.
	Status string `json:"status,omitempty"`
	// VersionAssumed says that the response named no version, so the current definition scored it.
	VersionAssumed bool `json:"versionAssumed,omitempty"`
	// Variant in which the answers were numbered; empty for the instrument's own.
	Variant string `json:"variant,omitempty"`
	// Construct such as `alliance`, `distress`, `beliefs`, `adherence`.
	Construct string `json:"construct"`
	// Respondent: `patient`, `clinician` or `care-partner`.
	Respondent string `json:"respondent"`
	// Clinician an alliance rating is about; empty when not named.
	Clinician ref.Clinician `json:"clinician,omitempty"`
	// Encounter reference (in its source's own ids, as sent), from which the fold may learn the clinician.
	Encounter string `json:"encounter,omitempty"`
	// Scores in the instrument's own order.
	Scores []Score `json:"scores"`
	// Decisions by counting answers, where the instrument has any.
	Decisions []Decision `json:"decisions,omitempty"`
	// Critical items that fired.
	Critical []Critical `json:"critical,omitempty"`
	// SafetyUnknown are alert items of severity safety left unanswered.
	SafetyUnknown []int `json:"safetyUnknown,omitempty"`
	// Items used, in the order of the printed form.
	Items []Item `json:"items,omitempty"`
	// Discrepancy is set when a submitted score differs from ours; it keeps the first such value. Score.Submitted has each.
	Discrepancy *float64 `json:"discrepancy,omitempty"`
	// DiscrepancyOf is the code of the score that it was submitted as; empty in facts of before it was kept.
	DiscrepancyOf string `json:"discrepancyOf,omitempty"`
	// Day is the patient's own calendar day of a ready-made score, `2006-01-02`, where it is not the UTC day of Fact.At.
	Day string `json:"day,omitempty"`
}

// Score is one number or the reason why there is none.
type Score struct {
	Code        string   `json:"code"`
	Value       *float64 `json:"value,omitempty"`
	Band        string   `json:"band,omitempty"`
	Prorated    bool     `json:"prorated,omitempty"`
	NotScorable string   `json:"notScorable,omitempty"`
	// BandPlace is the place of the band among those of the score, from 1 for the lowest; 0 when it has none.
	BandPlace int `json:"bandPlace,omitempty"`
	// HigherBetter is the direction, unless NoDirection says that nobody knows it.
	HigherBetter bool    `json:"higherBetter,omitempty"`
	NoDirection  bool    `json:"noDirection,omitempty"`
	Min          float64 `json:"min"`
	Max          float64 `json:"max"`
	Unconfirmed  bool    `json:"unconfirmed,omitempty"`
	// Reliable is the smallest difference that is beyond measurement error, Important the smallest that matters
	// to patients, both in points of this score; nil when no such statistic is known.
	Reliable  *float64 `json:"reliable,omitempty"`
	Important *float64 `json:"important,omitempty"`
	// BySE says that a difference is reliable beyond 1.96 x sqrt(SE1^2 + SE2^2); then Reliable is nil.
	BySE bool `json:"bySe,omitempty"`
	// Cutoff divides the range of patients from that of healthy people; nil when not known.
	Cutoff *float64 `json:"cutoff,omitempty"`
	// ReliableUnconfirmed, ImportantUnconfirmed and CutoffUnconfirmed say that no source that was read confirms them.
	ReliableUnconfirmed  bool `json:"reliableUnconfirmed,omitempty"`
	ImportantUnconfirmed bool `json:"importantUnconfirmed,omitempty"`
	CutoffUnconfirmed    bool `json:"cutoffUnconfirmed,omitempty"`
	// SE is the standard error of the value, where the instrument knows one.
	SE *float64 `json:"se,omitempty"`
	// Row is the raw value that was looked up in the Table, or nil; Table names the table or linear model.
	Row   *float64 `json:"row,omitempty"`
	Table string   `json:"table,omitempty"`
	// Missing is the rule for unanswered items that was applied, such as `prorate 7 of 9, half-up`; empty for a score
	// made of others.
	Missing string `json:"missing,omitempty"`
	// Submitted is the value that came with the form, where it differs from ours; else nil.
	Submitted *float64 `json:"submitted,omitempty"`
	// Part of the distress profile that the score speaks for, and its Level there (none, mild, moderate, severe);
	// empty when it speaks for none.
	Part  string `json:"part,omitempty"`
	Level string `json:"level,omitempty"`
}

// Value of a score code; nil when it is absent or not scorable.
func (s *Scores) Value(code string) *float64 {
	for i := range s.Scores {
		if s.Scores[i].Code == code {
			return s.Scores[i].Value
		}
	}
	return nil
}

// Band of a score code.
func (s *Scores) Band(code string) string {
	for i := range s.Scores {
		if s.Scores[i].Code == code {
			return s.Scores[i].Band
		}
	}
	return ""
}

// Any says whether at least one score has a value.
func (s *Scores) Any() bool {
	for i := range s.Scores {
		if s.Scores[i].Value != nil {
			return true
		}
	}
	return false
}

// CriticalOnly says whether this is no sheet of a form, but the critical items of an instrument that another form asks.
func (s *Scores) CriticalOnly() bool {
	return len(s.Scores) > 0 && !slices.ContainsFunc(s.Scores, func(one Score) bool { return one.NotScorable != response.UnknownForm })
}

// Decision is a conclusion by counting answers: Result, or the reason why there is none.
type Decision struct {
	Code        string `json:"code"`
	Result      string `json:"result,omitempty"`
	NotScorable string `json:"notScorable,omitempty"`
	Unconfirmed bool   `json:"unconfirmed,omitempty"`
}

// Critical is an item answered at or beyond its alert threshold.
type Critical struct {
	Item     int     `json:"item"`
	Value    float64 `json:"value"`
	Severity string  `json:"severity"`
}

// Item is one answer as it entered the scores.
type Item struct {
	Item    int      `json:"item"`
	Concept string   `json:"concept"`
	Answer  *float64 `json:"answer,omitempty"`
	// Recoded is the value before any reversal, where the item is recoded; else nil.
	Recoded *float64 `json:"recoded,omitempty"`
	Used    *float64 `json:"used,omitempty"`
}

// Clock says that time has reached Fact.At, a deadline of the episode.
type Clock struct{}
