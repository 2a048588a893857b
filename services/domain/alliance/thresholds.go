package alliance

import "slices"

// Every number by which a rupture, a gap, a weak link or a ceiling is told stands in this file. None is validated in
// physical therapy. The reference detector's constants are those of its published description; all others are our own
// design, derived where the comment says so.

// Detector is the reference rupture detector with its constants. It is a heuristic from psychotherapy,
// not validated in physical therapy.
type Detector struct {
	// Instrument and Code of the score it watches.
	Instrument, Code string
	// SEM is the standard error of measurement, RC the reliable change, both in points.
	SEM, RC float64
	// Baseline is how many ratings it needs, Memory how many it looks back on.
	Baseline, Memory int
	// Patience is the number of ratings after the onset within which a repair must come.
	Patience int
	// Sigma times the mean moving range is the distance of the control limit from the mean.
	Sigma float64
}

// detectors watch one score each. That of the WAI-SR mean is the reference. That of the SRS is our own: the same rules with
// SEM 2.70 and RC95 7.48 (SD 4.5 and retest .64, both unconfirmed). As there, the least fall that is a rupture, 5.40, is
// near the 95 % limit of one rating against a mean of five, 5.80. On simulated clinics it finds as large a share of the
// ruptures of those who are asked by the SRS as the reference does by the WAI-SR, with as few false ones.
var detectors = []Detector{
	{Instrument: "wai-sr", Code: "total-mean", SEM: 0.20, RC: 0.55, Baseline: 3, Memory: 5, Patience: 3, Sigma: 2.66},
	{Instrument: "srs", Code: "total", SEM: 2.70, RC: 7.48, Baseline: 3, Memory: 5, Patience: 3, Sigma: 2.66},
}

// Detectors are those in use; changing what is returned changes none of them.
func Detectors() []Detector { return slices.Clone(detectors) }

// Step is a fall of a session form that is worth a word.
type Step struct {
	// Instrument and Code of the score.
	Instrument, Code string
	// Points from one rating to the next.
	Points float64
	// Bad is a fall after which missed visits count as drawing back: half of the reliable change.
	Bad float64
	// Band of a rating that is bad with any fall.
	Band string
}

// steps are those of the session forms.
var steps = []Step{{Instrument: "srs", Code: "total", Points: 1, Bad: 3.74, Band: "discuss"}}

// Parting is how one part of an instrument is told to have come apart from the others.
type Parting struct {
	// Instrument and the codes of its parts.
	Instrument string
	Parts      []string
	// Fall is how far a part lies below its usual level, and Fine how far another part may lie below its own while it
	// still holds, both per item. SEM is the distance from the usual level within which a part has returned.
	Fall, Fine, SEM float64
	// Confirm is the number of ratings in a row that show it: one odd form is none.
	Confirm int
	// Patience is that of the detector.
	Patience int
}

// partings: SD .75 and the lowest alpha of the parts, .804 (Paap 2019), give a part's SEM of 0.33 per item. The fall of
// 0.75 is three points of a part's sum: beyond two SEM, where a fall of two would flag about one steady person in twelve
// over twenty ratings, and one of three flags about one in forty.
var partings = []Parting{
	{Instrument: "wai-sr", Parts: []string{"bond", "goal", "task"}, Fall: 0.75, Fine: 0.33, SEM: 0.33, Confirm: 2, Patience: 3},
}

// How behaviour after a bad session is told to be drawing back.
const (
	// FallDays is how long after a bad session behaviour is laid to it.
	FallDays = 28
	// MissedVisits in that time, missed or cancelled by the patient, are drawing back.
	MissedVisits = 2
	// UnratedVisits attended without a rating, before one more, are non-response.
	UnratedVisits = 2
	// UnheardDays without a word after a bad session are non-response.
	UnheardDays = 14
	// LapsedBelow is the completion of a closed window, in %, that is a lapse where the one before the bad session was at
	// least KeptFrom. LapseDays of the window must lie after the bad session.
	LapsedBelow = 50
	KeptFrom    = 70
	LapseDays   = 7
	// drawnBack is the patience with a rupture told by behaviour, in ratings.
	drawnBack = 3
)

// How a dyad's level is told.
const (
	// baseline and memory of the usual level of each score, and sigma of its control limit: those of the detector.
	baseline = 3
	memory   = 5
	sigma    = 2.66
	// ceilingRatings with a mean in the highest ceilingShare of the range are at the ceiling.
	ceilingRatings = 3
	ceilingShare   = 0.05
	// constantRatings in a row at the maximum are a constant maximum: it may say more about the form than the alliance.
	constantRatings = 3
)

// metric says which instruments ask about the alliance on the same scale per item, so that raters can be compared.
var metric = map[string]string{"wai-sr": "wai-1-5", "wai-srt": "wai-1-5", "wai-s": "wai-1-7"}

// Comparison is when the view of another rater is told to lie apart from the patient's.
type Comparison struct {
	// Rater other than the patient.
	Rater string
	// From and Below bound the usual gap, rater minus patient, in points per item of the wai-1-5 scale; nil is open.
	From, Below *float64
	// Confirm is how many readings of the gap in a row lie outside.
	Confirm int
	// Days that the two ratings may lie apart.
	Days int
}

// comparisons: patients usually rate higher than clinicians do (Tryon 2007, d = .63, unconfirmed), so a clinician a whole
// point above the patient is unusual; a care partner a whole point below may see what the patient does not say.
var comparisons = []Comparison{
	{Rater: "clinician", Below: new(1.0), Confirm: 2, Days: 30},
	{Rater: "care-partner", From: new(-1.0), Confirm: 2, Days: 30},
}

// Links is how the weak link of a team is told, for one instrument.
type Links struct {
	// Instrument and Code compared.
	Instrument, Code string
	// Least is how many links must be rated, Ratings how many each.
	Least, Ratings int
	// Below the median of the other links, in points per item (of srs: in points): beyond the reliable change.
	Below float64
	// Days after which an unrated link no longer counts.
	Days int
}

// links in the order in which they are preferred where a clinician is rated on several.
var links = []Links{
	{Instrument: "wai-sr", Code: "total", Least: 3, Ratings: 2, Below: 0.80, Days: 90},
	{Instrument: "wai-s", Code: "total", Least: 3, Ratings: 2, Below: 1.20, Days: 90},
	{Instrument: "srs", Code: "total", Least: 3, Ratings: 2, Below: 7.50, Days: 90},
}

// The bounds of what one dyad keeps.
const (
	// maxTracks bounds the scores followed per dyad; the built-in instruments have at most five.
	maxTracks = 12
	// maxPast and maxStrains bound the closed ruptures and the strains remembered.
	maxPast    = 4
	maxStrains = 4
	// maxAttempts bounds the repair attempts of one rupture, maxCodes the codes of one.
	maxAttempts = 4
	// maxFacts bounds the ratings whose facts are remembered: a gradual decline takes four.
	maxFacts = 4
)

// HandoverRatings of a clinician who is new since an open rupture, and none of the one it is with, are a change of
// therapist.
const HandoverRatings = 3
