package decision

import (
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// Input is one resource as read, before it is known whose it is and whether it is new.
type Input struct {
	// Record to store. Its Version and Patient are decided here.
	Record record.Record
	// Subject it is about; zero when about no patient.
	Subject Subject
	// Identifiers of a Patient resource itself, as `system|value`.
	Identifiers []string
	// Replaces are patients in whose place a Patient resource is to be used, ReplacedBy those to be used in its place: of
	// these only the first counts.
	Replaces, ReplacedBy []Subject
	// Facts taken from it, with complete ids, without Source and Recorded.
	Facts []fact.Fact
	// Changed is since when this version says what it says; zero when nobody knows, then Record.Received stands in for it.
	Changed time.Time
	// Key is the caller's idempotency key; empty when none was given.
	Key string
	// Gone deletes the resource that Record names: of Record only Type, ID and Received count, and nothing else of the input.
	Gone bool
	// BackFill as in Submission.
	BackFill bool
	// New says that its id was given to it here: it was not there before, and if it is, then this is a replay.
	New bool
	// Twin is where the same may be stored already under another id; TwinHash is its content then, zero for any.
	Twin     ref.Resource
	TwinHash [32]byte
	// Again judges a resource although its content is known, because its facts were taken from it anew. Record.Version is
	// the version they were taken from: unless it is still the current one, nothing is done. Record.Patient, when not
	// empty, is whom it stays about.
	Again bool
}

// Subject names a patient.
type Subject struct {
	// Patient is the id in Rapport of the Patient resource that was referred to.
	Patient ref.Patient
	// Identifier as `system|value`, when only that was given.
	Identifier string
	// Path of the reference.
	Path string
}

// None says whether it names nobody.
func (s Subject) None() bool { return s.Patient == "" && s.Identifier == "" }

// Needs are the things to read before a group of inputs can be judged.
type Needs struct {
	// Resources whose heads are needed.
	Resources []ref.Resource
	// Names of patients.
	Names []string
	// Keys by source.
	Keys map[ref.Source][]string
}

// NeedsOf collects what judging the inputs will look up.
func NeedsOf(inputs []Input) Needs {
	n := Needs{Keys: map[ref.Source][]string{}}
	for i := range inputs {
		in := &inputs[i]
		n.Resources = append(n.Resources, in.Record.Unversioned())
		if in.Twin.ID != "" {
			n.Resources = append(n.Resources, in.Twin)
		}
		if in.Key != "" {
			n.Keys[in.Record.Source] = append(n.Keys[in.Record.Source], in.Key)
		}
		if in.Record.Type == "Patient" {
			n.Names = append(n.Names, nameOf(ref.Patient(in.Record.ID)))
		}
		n.Names = append(n.Names, in.Identifiers...)
		for _, s := range slices.Concat(in.Replaces, in.ReplacedBy) {
			n.patient(s)
		}
		if in.settled() {
			continue
		}
		n.patient(in.Subject)
	}
	return n
}

func (n *Needs) patient(s Subject) {
	if s.Patient != "" {
		n.Resources = append(n.Resources, patientResource(s.Patient))
		n.Names = append(n.Names, nameOf(s.Patient))
	}
	if s.Identifier != "" {
		n.Names = append(n.Names, s.Identifier)
	}
}

// Episodes are those that judging an input will look up, once heads and names lie on the desk.
func (d *Desk) Episodes(in *Input) []ref.Episode {
	var found []ref.Episode
	if head, ok := d.head(in.Record.Unversioned()); ok {
		if known(head, in) {
			return nil
		}
		if hadFacts(head) {
			found = append(found, ref.EpisodeOf(head.Patient))
		}
	}
	if p := d.patientOf(in); p != "" && len(in.Facts) > 0 {
		found = append(found, ref.EpisodeOf(p))
	}
	return append(found, d.united(in)...)
}

// settled says whether it is known whom an input is about, from when it was judged before.
func (in *Input) settled() bool { return in.Again && in.Record.Patient != "" }

// known says whether what is stored answers an input, so that it need not be judged.
func known(head record.Head, in *Input) bool {
	if in.Again {
		return head.Version != in.Record.Version
	}
	return !head.Stub && (head.Hash == in.Record.Hash || outlived(head, in) || in.New && !head.Gone())
}

// patientOf is the patient an input is about, without deciding anything.
func (d *Desk) patientOf(in *Input) ref.Patient {
	name, fallback := in.Subject.Identifier, identifierStub(in.Subject.Identifier)
	switch {
	case in.settled():
		return d.resolve(in.Record.Patient)
	case in.Record.Type == "Patient":
		return d.identity(in)
	case in.Subject.Patient != "":
		name, fallback = nameOf(in.Subject.Patient), in.Subject.Patient
	case in.Subject.None():
		return ""
	}
	if alias, ok := d.name(name); ok {
		return alias.Patient
	}
	return fallback
}

// History names the episodes whose whole history is needed before the input can be judged: those in which
// it corrects something, comes late, or is judged again.
func (d *Desk) History(in *Input) []ref.Episode {
	var needed []ref.Episode
	head, stored := d.head(in.Record.Unversioned())
	if stored && known(head, in) {
		return nil
	}
	if stored && hadFacts(head) {
		needed = append(needed, ref.EpisodeOf(head.Patient))
	}
	if p := d.patientOf(in); p != "" && len(in.Facts) > 0 {
		e := ref.EpisodeOf(p)
		if k, _ := d.episode(e); in.Again || k.late(d.terms, in.Facts) {
			needed = append(needed, e)
		}
	}
	needed = append(needed, d.united(in)...)
	slices.Sort(needed)
	return slices.DeleteFunc(slices.Compact(needed), func(e ref.Episode) bool { k, _ := d.episode(e); return k.Complete })
}

// Decide judges one input. A rejected input leaves the desk as it was.
func (d *Desk) Decide(in *Input) (*Decision, Receipt) {
	made, receipt := d.decide(in)
	d.refold()
	return made, receipt
}

func (d *Desk) decide(in *Input) (*Decision, Receipt) {
	if in.Gone {
		return d.gone(in)
	}
	if receipt, done := d.replay(in); done {
		return nil, receipt
	}
	admitted, err := d.admit(in)
	if err != nil {
		return nil, rejected(err)
	}
	return d.store(in, admitted)
}

// DecideAll judges inputs that stand or fall together. When one is rejected the decisions are nil, the desk is as
// it was, and the receipts say which. Prepare is called before each, with the desk that it will be judged on; when it
// fails, nothing more is judged.
func (d *Desk) DecideAll(inputs []Input, prepare func(*Desk, *Input) bool) ([]*Decision, []Receipt, bool) {
	f := d.fork()
	decisions := make([]*Decision, 0, len(inputs))
	receipts := make([]Receipt, 0, len(inputs))
	ok := true
	for i := range inputs {
		if !prepare(f, &inputs[i]) {
			return nil, nil, false
		}
		dec, receipt := f.decide(&inputs[i])
		ok = ok && receipt.Outcome != record.Rejected
		receipts = append(receipts, receipt)
		if dec != nil {
			decisions = append(decisions, dec)
		}
	}
	if !ok {
		return nil, receipts, false
	}
	f.refold()
	f.join()
	return decisions, receipts, true
}

// replay recognises what was stored before.
func (d *Desk) replay(in *Input) (Receipt, bool) {
	if in.Key != "" {
		if key, ok := d.key(in.Record.Source, in.Key); ok {
			if key.Hash != in.Record.Hash {
				return rejected(fault.Newf(fault.Conflict, "duplicate",
					"the idempotency key was used with another body: use a new key for new content")), true
			}
			head, _ := d.head(key.Resource.Unversioned())
			return Receipt{Outcome: record.Unchanged, Resource: key.Resource, Patient: head.Patient}, true
		}
	}
	head, ok := d.head(in.Record.Unversioned())
	if in.Again {
		return overtaken(head, in)
	}
	if !ok || head.Stub {
		return d.twin(in)
	}
	unchanged := Receipt{Outcome: record.Unchanged, Resource: head.Resource, Patient: head.Patient}
	switch {
	case head.Hash == in.Record.Hash, in.New && !head.Gone():
		unchanged.Issues = head.Issues // a replay is told what the first one was told
		return unchanged, true
	case outlived(head, in) && head.Gone():
		unchanged.Issues = []fault.Issue{fault.Infof("deleted", in.Record.Type+".meta",
			"deleted here after this version: not brought back by it")}
		return unchanged, true
	case outlived(head, in):
		unchanged.Issues = []fault.Issue{fault.Infof("informational", in.Record.Type+".meta",
			"older than the version already stored: kept the newer one")}
		return unchanged, true
	}
	return Receipt{}, false
}

// twin recognises what is stored under another id: by the id that its source gave it, or by the one that it was given here.
func (d *Desk) twin(in *Input) (Receipt, bool) {
	head, ok := d.head(in.Twin)
	if !ok || in.Twin.ID == "" || head.Stub || head.Gone() || head.Source != in.Record.Source {
		return Receipt{}, false
	}
	if in.TwinHash != ([32]byte{}) && in.TwinHash != head.Hash {
		return Receipt{}, false
	}
	return Receipt{Outcome: record.Unchanged, Resource: head.Resource, Patient: head.Patient, Issues: head.Issues}, true
}

// overtaken recognises what is not to be judged again: a version after which another one came.
func overtaken(head record.Head, in *Input) (Receipt, bool) {
	if !known(head, in) {
		return Receipt{}, false
	}
	return Receipt{Outcome: record.Unchanged, Resource: head.Resource, Patient: head.Patient, Issues: []fault.Issue{
		fault.Infof("informational", in.Record.Type, "a newer version came in between: it was judged as it came, and is kept"),
	}}, true
}

// outlived says whether what is stored is newer than an input. A deletion outlives also the version that it deleted.
func outlived(head record.Head, in *Input) bool {
	return stale(head.SourceVersion, in.Record.SourceVersion) ||
		head.Gone() && head.SourceVersion != "" && head.SourceVersion == in.Record.SourceVersion
}

// stale says whether version b of a resource is older than version a. Versions are numbers or moments; others do not compare.
func stale(a, b string) bool {
	if m, err := strconv.ParseInt(a, 10, 64); err == nil {
		n, err := strconv.ParseInt(b, 10, 64)
		return err == nil && n < m
	}
	if t, err := time.Parse(time.RFC3339, a); err == nil {
		u, err := time.Parse(time.RFC3339, b)
		return err == nil && u.Before(t)
	}
	return false
}

// admitted is an input whose patient and version are settled.
type admitted struct {
	patient  ref.Patient
	previous *record.Head
	stub     *record.Record
	aliases  []record.Alias
	unions   []Union
	issues   []fault.Issue
}

func (d *Desk) admit(in *Input) (admitted, error) {
	var a admitted
	if head, ok := d.head(in.Record.Unversioned()); ok {
		if !head.Stub && (head.Source != in.Record.Source || head.SourceID != in.Record.SourceID) {
			return a, fault.New(fault.Unprocessable, fault.Errorf("duplicate", in.Record.Type+".id",
				"another source holds a resource of this type under this id: rename the source"))
		}
		a.previous = &head
	}
	if in.Record.Type == "Patient" {
		return a, d.admitPatient(in, &a)
	}
	switch {
	case in.settled():
		a.patient = d.patientOf(in)
	case !in.Subject.None():
		d.admitSubject(in, &a)
	}
	return a, nil
}

// admitPatient settles who a Patient resource is: itself, or a patient another source already named by the same identifier.
func (d *Desk) admitPatient(in *Input, a *admitted) error {
	self := ref.Patient(in.Record.ID)
	if alias, known := d.name(nameOf(self)); known {
		self = alias.Patient
	}
	self = d.admitUnions(in, self, a)
	for _, identifier := range in.Identifiers {
		alias, known := d.name(identifier)
		switch {
		case !known:
			continue
		case a.after(alias.Patient) == self:
			continue
		case alias.Source == in.Record.Source:
			return fault.New(fault.Unprocessable, fault.Errorf("duplicate", "Patient.identifier",
				"this source has another Patient with the same identifier: merge or correct them there, then send again"))
		case a.previous == nil && self == ref.Patient(in.Record.ID):
			self = alias.Patient
			a.aliases = append(a.aliases, record.Alias{Name: nameOf(ref.Patient(in.Record.ID)), Patient: self, Source: in.Record.Source})
		default:
			a.issues = append(a.issues, fault.Warnf("multiple-matches", "Patient.identifier",
				"the identifier belongs to a patient with a history of its own: the two are kept apart"))
		}
	}
	for _, identifier := range in.Identifiers {
		if alias, known := d.name(identifier); !known || (a.after(alias.Patient) == self && alias.Source == "") {
			a.aliases = append(a.aliases, record.Alias{Name: identifier, Patient: self, Source: in.Record.Source})
		}
	}
	a.patient = self
	return nil
}

// admitSubject settles whom a resource is about, and makes a stub of a patient nobody has sent yet.
func (d *Desk) admitSubject(in *Input, a *admitted) {
	a.patient = d.patientOf(in)
	if in.Subject.Patient == "" {
		if _, ok := d.name(in.Subject.Identifier); !ok {
			a.aliases = append(a.aliases, record.Alias{Name: in.Subject.Identifier, Patient: a.patient})
		}
	}
	resource := patientResource(a.patient)
	if _, ok := d.head(resource); ok || in.Subject.Patient != "" && a.patient != in.Subject.Patient {
		return
	}
	if _, aliased := d.name(in.Subject.Identifier); aliased && in.Subject.Patient == "" {
		return
	}
	a.stub = d.stub(a.patient)
}

// stub is a Patient that was only referred to so far.
func (d *Desk) stub(p ref.Patient) *record.Record {
	resource := patientResource(p)
	resource.Version = 1
	return &record.Record{
		Resource: resource, Source: stubSource, Patient: p, Received: d.now, Outcome: record.Stored, Stub: true,
		Raw: []byte(`{"resourceType":"Patient","id":"` + string(p) + `"}`),
	}
}

// stubSource marks what Rapport made itself.
const stubSource ref.Source = "rapport"

func nameOf(p ref.Patient) string                { return "Patient/" + string(p) }
func patientResource(p ref.Patient) ref.Resource { return ref.Resource{Type: "Patient", ID: string(p)} }

func identifierStub(identifier string) ref.Patient {
	return ref.Patient(ref.Digest("patient", identifier))
}

// store writes the admitted input down and advances the episodes it touches.
func (d *Desk) store(in *Input, a admitted) (*Decision, Receipt) {
	r := in.Record
	r.Patient = a.patient
	r.Version = 1
	if a.previous != nil {
		r.Version = a.previous.Version + 1
	}
	r.Issues = append(slices.Clip(r.Issues), a.issues...)
	r.Outcome = record.Stored
	if slices.ContainsFunc(in.Facts, tells) {
		r.Outcome = record.Scored
	}
	dec := &Decision{Aliases: a.aliases, Muted: in.BackFill}
	if a.stub != nil {
		dec.Records = append(dec.Records, *a.stub)
		d.heads[a.stub.Unversioned()] = a.stub.Head()
	}
	dec.Records = append(dec.Records, r)
	dec.Events = append(dec.Events, recorded(&r, in.Facts, d.now))
	d.heads[r.Unversioned()] = r.Head()
	for _, alias := range a.aliases {
		d.names[alias.Name] = alias
	}
	if in.Key != "" {
		key := record.Key{Source: r.Source, Name: in.Key, Hash: r.Hash, Resource: r.Resource}
		dec.Keys = append(dec.Keys, key)
		d.keys[keyName{r.Source, in.Key}] = key
	}
	for _, u := range a.unions {
		d.unite(dec, u)
	}
	d.spread(dec, &r, a.previous, in)
	return dec, Receipt{Outcome: r.Outcome, Resource: r.Resource, Received: r.Received, Patient: r.Patient, Issues: r.Issues}
}

// tells says whether a fact is more than a form on which nothing could be scored.
func tells(f fact.Fact) bool { return f.Scores == nil || f.Scores.Any() }

// hadFacts says whether facts may have been taken from a version. An unscorable form leaves one too, for its safety items.
func hadFacts(h record.Head) bool {
	return h.Patient != "" && !h.Gone() && (h.Outcome == record.Scored || h.Type == "QuestionnaireResponse")
}

// spread carries the record's facts, and the end of those of the version before, to the episodes.
func (d *Desk) spread(dec *Decision, r *record.Record, previous *record.Head, in *Input) {
	advance, facts := d.advance, in.Facts
	if in.Again {
		advance = d.hold
	}
	var taken []ref.Resource
	if previous != nil {
		previous.Patient = d.resolve(previous.Patient)
	}
	if previous != nil && hadFacts(*previous) {
		taken = []ref.Resource{r.Unversioned()}
		dec.Superseded = taken
		if previous.Patient != r.Patient || len(facts) == 0 {
			advance(dec, previous.Patient, taken, nil)
		}
	}
	if len(facts) == 0 {
		return
	}
	if taken != nil && previous.Patient == r.Patient {
		facts = d.carry(in, r)
	}
	own := make([]fact.Fact, len(facts))
	for i, f := range facts {
		f.Source, f.Recorded = r.Resource, d.now
		own[i] = f
		dec.Facts = append(dec.Facts, Fact{Episode: ref.EpisodeOf(r.Patient), Fact: f})
	}
	if previous != nil && previous.Patient != r.Patient {
		taken = nil
	}
	advance(dec, r.Patient, taken, own)
}

func recorded(r *record.Record, facts []fact.Fact, now time.Time) feed.Draft {
	kinds := make([]string, 0, len(facts))
	for _, f := range facts {
		if !slices.Contains(kinds, string(f.Kind)) {
			kinds = append(kinds, string(f.Kind))
		}
	}
	data, _ := json.Marshal(struct {
		Reference string     `json:"reference"`
		Outcome   string     `json:"outcome"`
		Source    ref.Source `json:"source"`
		Facts     []string   `json:"facts,omitempty"`
	}{r.String(), protoOutcome[r.Outcome], r.Source, kinds})
	draft := feed.Draft{ID: ref.Digest("event", r.String()), Type: feed.Recorded, Time: now, Data: data}
	if r.Patient != "" {
		draft.Subject = r.Patient.Reference()
	}
	return draft
}

var protoOutcome = map[record.Outcome]string{record.Scored: "OUTCOME_SCORED", record.Stored: "OUTCOME_STORED", record.Gone: "OUTCOME_GONE"}

func rejected(err error) Receipt {
	return Receipt{Outcome: record.Rejected, Issues: fault.IssuesOf(err), Kind: fault.Of(err)}
}
