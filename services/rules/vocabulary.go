package rules

import "time"

// The types below are the vocabulary of conditions. They are declared here, apart from the state, so that a clinic's
// rules keep their meaning when the state is laid out anew. What is not known is zero, and says so by `known`.

// Episode is an episode as a condition sees it: as `before` and `after`. Besides its fields it has the functions
// score(instrument, code), for any score the patient gave; part(name), of the distress profile; tier(), the
// fused view: `steady`, `watch`, `discuss`, `act-now`; dropout(), the signs of drop-out with their points; check_in(),
// the check-in that is overdue; stalled(), the first line of function or pain that has not changed for long; and
// milestone(id), how a goal stands: `ahead`, `overdue`, `on-time`, `late`, `dropped`, or empty when there is none.
type Episode struct {
	// Now is the moment up to which time has passed; Begun that of the first fact.
	Now   time.Time `cel:"now"`
	Begun time.Time `cel:"begun"`
	// Sheet is what is known of the form that the fact brings, as that respondent answered it so far.
	Sheet *Sheet `cel:"sheet"`
	// Dyad is the one that the fact rates.
	Dyad *Dyad `cel:"dyad"`
	// OpenRuptures is the number of dyads in which a rupture is open.
	OpenRuptures int `cel:"open_ruptures"`
	// Ruptured is the clinician of the last of them that the patient rated; empty when there is none, or for the whole team.
	Ruptured string `cel:"ruptured"`
	// Withdrawal is the last rupture, still open, that the patient's behaviour told.
	Withdrawal *Withdrawal `cel:"withdrawal"`
	// HEP is the home exercise programme.
	HEP *HEP `cel:"hep"`
	// Silence of the patient.
	Silence *Silence `cel:"silence"`
	// Visits counted so far.
	Visits *Visits `cel:"visits"`
	// Teams that care for the patient.
	Teams int `cel:"teams"`
	// Course of care.
	Course *Course `cel:"course"`

	source
}

// Course of care.
type Course struct {
	// Number counts the courses of the patient, from 1; 0 before there was any care.
	Number int `cel:"number"`
	// Day of it, from 0.
	Day int `cel:"day"`
	// Paused, and for which reason: `patient-choice`, `medical`, `administrative`, another code, or empty.
	Paused bool   `cel:"paused"`
	Reason string `cel:"reason"`
	// Over says that it has ended.
	Over bool `cel:"over"`
}

// Dropout is what speaks for a drop-out.
type Dropout struct {
	// Points in sum, and their Level: `low`, `raised`, `high`.
	Points int    `cel:"points"`
	Level  string `cel:"level"`
	// Signals that hold, and their words joined by commas.
	Signals []Signal `cel:"signals"`
	Words   string   `cel:"words"`
}

// Signal is one sign of drop-out.
type Signal struct {
	Code   string  `cel:"code"`
	Points int     `cel:"points"`
	Text   string  `cel:"text"`
	Source string  `cel:"source"`
	Value  float64 `cel:"value"`
}

// CheckIn is a check-in of the screening plan that is overdue.
type CheckIn struct {
	// Known is false when none is.
	Known bool `cel:"known"`
	// Code such as `intake` or `week-6`, and for how many days it is overdue.
	Code string `cel:"code"`
	Days int    `cel:"days"`
}

// Line is a score or measure of function or pain that has not changed beyond measurement error for long.
type Line struct {
	// Known is false when none is.
	Known bool `cel:"known"`
	// Instrument and Code; Value is the last reading, First the one that brought the last change.
	Instrument string  `cel:"instrument"`
	Code       string  `cel:"code"`
	Value      float64 `cel:"value"`
	First      float64 `cel:"first"`
	// Days between the two, and Visits attended since.
	Days   int `cel:"days"`
	Visits int `cel:"visits"`
}

// Sheet is one instrument as one respondent answered it.
type Sheet struct {
	// Known is false before the first one.
	Known bool `cel:"known"`
	// Instrument id and construct, and who answered.
	Instrument string `cel:"instrument"`
	Construct  string `cel:"construct"`
	Respondent string `cel:"respondent"`
	// Count of forms answered.
	Count int `cel:"count"`
	// Scores that were scorable at least once, in the instrument's order.
	Scores []Score `cel:"scores"`
	// Worsened is the first of them that is worse than at the start beyond measurement error; else not known.
	Worsened *Score `cel:"worsened"`
	// Severe is the first whose screen is `severe`; Positive the first whose screen is `positive` and was neither that nor
	// `severe` in the reading before; else not known.
	Severe   *Score `cel:"severe"`
	Positive *Score `cel:"positive"`
	// Clear is how many forms in a row, up to the last one, have no screen that is positive: 0, 1, or 2 for two and more.
	Clear int `cel:"clear"`
}

// Score is one score with its baseline and the reading before the last.
type Score struct {
	// Known is false for a score that was never scorable.
	Known bool `cel:"known"`
	// Code and instrument.
	Code       string `cel:"code"`
	Instrument string `cel:"instrument"`
	// Value and Band of the last reading.
	Value float64 `cel:"value"`
	Band  string  `cel:"band"`
	// At is when it was taken.
	At time.Time `cel:"at"`
	// Count of readings.
	Count int `cel:"count"`
	// First is the baseline, Previous the reading before the last.
	First        float64 `cel:"first"`
	FirstBand    string  `cel:"first_band"`
	Previous     float64 `cel:"previous"`
	PreviousBand string  `cel:"previous_band"`
	// Screen of the last reading: `positive` from the instrument's cut on, `severe` in its severe band; empty below, and
	// where the instrument has no cut. ScreenBefore is that of the reading before.
	Screen       string `cel:"screen"`
	ScreenBefore string `cel:"screen_before"`
	// SinceFirst and SincePrevious compare the last reading with them.
	SinceFirst    *Change `cel:"since_first"`
	SincePrevious *Change `cel:"since_previous"`
	// HigherBetter is the direction of the score.
	HigherBetter bool `cel:"higher_better"`
	// Unconfirmed: the last value or its band rests on a key, band or missing rule that no source confirms.
	Unconfirmed bool `cel:"unconfirmed"`
	// Part of the distress profile and the level there.
	Part  string `cel:"part"`
	Level string `cel:"level"`
}

// Change is the verdict on two readings.
type Change struct {
	// Known is false when there is but one reading.
	Known bool `cel:"known"`
	// Points is later minus earlier.
	Points float64 `cel:"points"`
	// Direction: `improved`, `unchanged`, `deteriorated`.
	Direction string `cel:"direction"`
	// Reliable and Important; false also when the statistic is not known.
	Reliable  bool `cel:"reliable"`
	Important bool `cel:"important"`
	// Worse: deteriorated beyond measurement error.
	Worse bool `cel:"worse"`
	// Band is what became of the band: `better`, `worse`, `same`, or empty when that is not known.
	Band string `cel:"band"`
	// Class: `recovered`, `improved`, `unchanged`, `deteriorated`, or empty where no cut-off is known.
	Class string `cel:"class"`
	// Unconfirmed: one of the values, or a change statistic that was used, is confirmed by no source.
	Unconfirmed bool `cel:"unconfirmed"`
}

// Dyad is the alliance with one clinician as one rater sees it.
type Dyad struct {
	// Known is false before the first rating.
	Known bool `cel:"known"`
	// Clinician reference; empty for the team as a whole. Role is that on a care team; empty when not known.
	Clinician  string `cel:"clinician"`
	Role       string `cel:"role"`
	Rater      string `cel:"rater"`
	Instrument string `cel:"instrument"`
	// Sessions rated, and SessionsSince: visits attended since the last rating.
	Sessions      int `cel:"sessions"`
	SessionsSince int `cel:"sessions_since"`
	// Event is what the last rating meant: `none`, `strain`, `rupture`, `gradual-decline`, `repair`, `fall`,
	// `part-divergence`.
	Event string `cel:"event"`
	// RuptureOpen says whether a rupture is open; RuptureKind is `rupture` or `gradual-decline`.
	RuptureOpen bool   `cel:"rupture_open"`
	RuptureKind string `cel:"rupture_kind"`
	// Value is the rating that is watched, Usual the person's own usual level it is compared with, Change the
	// difference; Watched is false while there is no usual level.
	Watched bool    `cel:"watched"`
	Value   float64 `cel:"value"`
	Usual   float64 `cel:"usual"`
	Change  float64 `cel:"change"`
	// Unconfirmed: the rating that is watched, or its error band, is confirmed by no source.
	Unconfirmed bool `cel:"unconfirmed"`
	// Ceiling says that the last ratings lie so high that a rise could not show, ConstantMaximum that all are the highest.
	Ceiling         bool `cel:"ceiling"`
	ConstantMaximum bool `cel:"constant_maximum"`
	// Apart is the part that has come apart from the others.
	Apart *Apart `cel:"apart"`
	// Repair is the rupture that the last rating repaired.
	Repair *Repair `cel:"repair"`
	// Gap between the patient's view and another rater's; of several the wide one.
	Gap *Gap `cel:"gap"`
	// Link compares it with the patient's other links in the team.
	Link *Link `cel:"link"`
	// Scores of the form.
	Scores []Score `cel:"scores"`
}

// Apart is a part of the alliance that lies low while another one holds.
type Apart struct {
	Known bool `cel:"known"`
	// Part: `bond`, `goal` or `task`; its Value and Usual level in points.
	Part  string  `cel:"part"`
	Value float64 `cel:"value"`
	Usual float64 `cel:"usual"`
}

// Repair is a rupture that was repaired.
type Repair struct {
	Known bool `cel:"known"`
	// Kind of the rupture.
	Kind string `cel:"kind"`
	// Days and rated Sessions that it took, and the Attempts recorded.
	Days     int `cel:"days"`
	Sessions int `cel:"sessions"`
	Attempts int `cel:"attempts"`
}

// Gap is another rater's view minus the patient's, in points per item.
type Gap struct {
	Known bool `cel:"known"`
	// Rater: `clinician` or `care-partner`.
	Rater string  `cel:"rater"`
	Value float64 `cel:"value"`
	// Moved is how much wider it is than before; Count the readings.
	Moved float64 `cel:"moved"`
	Count int     `cel:"count"`
	// Wide: outside what is usual, several readings in a row.
	Wide bool `cel:"wide"`
}

// Link is the patient's alliance with one clinician compared with the rest of the team.
type Link struct {
	// Known is false while too few links are rated.
	Known bool `cel:"known"`
	// Weak: far below the median of the others.
	Weak bool `cel:"weak"`
	// Level per item, and how far it lies Below the median of so many Others.
	Level  float64 `cel:"level"`
	Below  float64 `cel:"below"`
	Others int     `cel:"others"`
}

// Withdrawal is a rupture told by what the patient does after a bad session.
type Withdrawal struct {
	Known bool `cel:"known"`
	// Kind: `behavioural` or `non-response`.
	Kind       string `cel:"kind"`
	Clinician  string `cel:"clinician"`
	Instrument string `cel:"instrument"`
	// Value of the bad session and the Usual level; Onset is when it was detected.
	Value float64   `cel:"value"`
	Usual float64   `cel:"usual"`
	Onset time.Time `cel:"onset"`
}

// HEP is the home exercise programme.
type HEP struct {
	// Closed says that a window has closed lately; Completion (in %), Done, Due and DaysLogged are of that window.
	Closed     bool    `cel:"closed"`
	Completion float64 `cel:"completion"`
	Done       float64 `cel:"done"`
	Due        float64 `cel:"due"`
	DaysLogged int     `cel:"days_logged"`
	// WindowDays is its length.
	WindowDays int `cel:"window_days"`
	// WeekClosed says that a week has closed lately, and that there is one before it; WeekDone, WeekDue and WeekCompletion
	// (in %) are of that week, WeekBefore is the completion of the one before.
	WeekClosed     bool    `cel:"week_closed"`
	WeekDone       float64 `cel:"week_done"`
	WeekDue        float64 `cel:"week_due"`
	WeekCompletion float64 `cel:"week_completion"`
	WeekBefore     float64 `cel:"week_before"`
	// Running is the completion of the window that is still open: provisional. It is 0 while RunningDue is.
	Running    float64 `cel:"running"`
	RunningDue float64 `cel:"running_due"`
	// Streak is on how many days in a row exercise was done, Longest the most so far.
	Streak  int `cel:"streak"`
	Longest int `cel:"longest"`
	// Lapsed says that exercise has lapsed: three sessions or more in a row were not logged as done, Owed of them.
	Lapsed bool    `cel:"lapsed"`
	Owed   float64 `cel:"owed"`
	// Returned says that the last lapse ended with exercise.
	Returned bool `cel:"returned"`
}

// Silence of the patient.
type Silence struct {
	// Silent says that nothing was heard for so long that it counts, although care goes on.
	Silent bool `cel:"silent"`
	// Days since the last word; 0 while nothing is waited for.
	Days int `cel:"days"`
	// Heard is the last word; the epoch when there was none.
	Heard time.Time `cel:"heard"`
}

// Visits counted.
type Visits struct {
	Attended           int `cel:"attended"`
	Missed             int `cel:"missed"`
	CancelledByPatient int `cel:"cancelled_by_patient"`
	CancelledByClinic  int `cel:"cancelled_by_clinic"`
	// CancelledLate are those that the patient cancelled too late, MissedInRow how many up to the last one were missed or
	// cancelled so.
	CancelledLate int `cel:"cancelled_late"`
	MissedInRow   int `cel:"missed_in_row"`
}

// Part is one part of the distress profile.
type Part struct {
	// Name of the part; Level `none`, `mild`, `moderate`, `severe` or `missing`.
	Name  string `cel:"name"`
	Level string `cel:"level"`
	// Score behind it.
	Score *Score `cel:"score"`
	// Outcome since the baseline: `response`, `remission`, or empty. Unresponsive says that neither came in time.
	Outcome      string `cel:"outcome"`
	Unresponsive bool   `cel:"unresponsive"`
	// Age in days.
	Age int `cel:"age"`
}

// Fact is what happened, as `fact`.
type Fact struct {
	ID   string    `cel:"id"`
	Kind string    `cel:"kind"`
	At   time.Time `cel:"at"`
	// Instrument, Version, Construct, Respondent and Clinician of a form.
	Instrument string `cel:"instrument"`
	Version    string `cel:"version"`
	Construct  string `cel:"construct"`
	Respondent string `cel:"respondent"`
	Clinician  string `cel:"clinician"`
	// Critical items of a form that fired.
	Critical []Critical `cel:"critical"`
	// SafetyUnknown are safety items left unanswered.
	SafetyUnknown []int `cel:"safety_unknown"`
	// Discrepancy is a score that was sent with the form and is not what its answers give.
	Discrepancy *Discrepancy `cel:"discrepancy"`
	// Done is the number of sessions of an exercise log.
	Done float64 `cel:"done"`
	// Status of a visit, a prescription or a course, or the step of a repair: `acknowledged`, `attempted`.
	Status string `cel:"status"`
	// Goal is the id of a goal.
	Goal string `cel:"goal"`
	// Code and Value of a plain measure.
	Code  string  `cel:"code"`
	Value float64 `cel:"value"`
}

// Critical is an item answered at or beyond its alert threshold.
type Critical struct {
	Item     int     `cel:"item"`
	Value    float64 `cel:"value"`
	Severity string  `cel:"severity"`
}

// Discrepancy is a score as it was sent beside what the answers give.
type Discrepancy struct {
	Known bool `cel:"known"`
	// Code of the score, and the value Submitted.
	Code      string  `cel:"code"`
	Submitted float64 `cel:"submitted"`
	// Scorable says that the answers give a score: Ours.
	Scorable bool    `cel:"scorable"`
	Ours     float64 `cel:"ours"`
}
