package ingest

import (
	"context"
	"errors"
	"runtime/debug"
	"strings"
	"time"

	"github.com/rapport-health/rapport/services/catalogue"
	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/instrument"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/fhir"
	"github.com/rapport-health/rapport/services/fhir/search"
	"github.com/rapport-health/rapport/services/fhir/tree"
)

// prepare reads one submission: what can be known of it before it is known whose it is and whether it is new. It never
// panics. Errors: Unavailable when the store is away, where it must be asked for a questionnaire.
func (i *Ingest) prepare(ctx context.Context, shelf *catalogue.Shelf, s decision.Submission) (p *part, err error) {
	defer func() {
		if v := recover(); v != nil {
			i.Log.Error("a submission could not be read", "stack", string(debug.Stack()))
			p = refused(fault.Newf(fault.Internal, "exception", "this submission could not be read: please report it"))
		}
	}()
	p, err = i.part(ctx, shelf, s)
	if err != nil && fault.Of(err) != fault.Unavailable {
		return refused(err), nil
	}
	return p, err
}

// part reads one submission. Errors, but for Unavailable, are why it is refused.
func (i *Ingest) part(ctx context.Context, shelf *catalogue.Shelf, s decision.Submission) (*part, error) {
	if err := check(s); err != nil {
		return nil, err
	}
	if len(s.Body) == 0 {
		return &part{inputs: i.deletions(s), entries: make([]*decision.Receipt, len(s.Gone)), bundle: s.Type == "Bundle", atomic: true}, nil
	}
	doc, err := tree.Parse(s.Body, tree.Limits{Bytes: MaxBundle})
	if err != nil {
		return nil, err
	}
	typ := doc.Root().Child("resourceType").Text()
	if s.Type != "" && typ != s.Type {
		return nil, fault.New(fault.Invalid, fault.Errorf("invalid", "resourceType",
			"the resourceType of the body is not %s, which this address takes", s.Type))
	}
	if typ == "Bundle" {
		return i.prepareBundle(ctx, shelf, s, doc)
	}
	if len(s.Body) > MaxBody {
		return nil, fault.New(fault.TooLarge, fault.Errorf("too-long", typ, "a resource may have %d MiB at most", MaxBody>>20))
	}
	in, err := i.single(ctx, shelf, s, doc)
	if err != nil {
		return nil, err
	}
	return &part{inputs: []decision.Input{in}, entries: []*decision.Receipt{nil}}, nil
}

// single reads a resource that came alone.
func (i *Ingest) single(ctx context.Context, shelf *catalogue.Shelf, s decision.Submission, sent *tree.Doc) (decision.Input, error) {
	if !s.Creates && sent.Root().Child("id").Exists() || s.Place.ID != "" {
		in, err := i.read(ctx, shelf, s, sent)
		if s.Place.ID == "" {
			i.keptElsewhere(&in, in.Record.Hash)
		}
		return in, err
	}
	doc, err := fhir.Named(sent, fhir.ContentID(s.Source, sent.Root().Child("resourceType").Text(), s.Key, sent.Content()))
	if err != nil {
		return decision.Input{}, err
	}
	in, err := i.read(ctx, shelf, s, doc)
	i.given(&in, sent)
	return in, err
}

// deletions are the inputs that delete what a submission names.
func (i *Ingest) deletions(s decision.Submission) []decision.Input {
	inputs := make([]decision.Input, len(s.Gone))
	for n, of := range s.Gone {
		inputs[n] = decision.Deletion(of)
		inputs[n].Record.Received = i.Now()
	}
	return inputs
}

func check(s decision.Submission) error {
	var issues []fault.Issue
	if !ref.ValidSource(string(s.Source)) {
		issues = append(issues, fault.Errorf("value", "source", "name the sending system: 1 to 64 letters, digits, dots or hyphens"))
	}
	if len(s.Key) > MaxKey {
		issues = append(issues, fault.Errorf("value", "key", "an idempotency key has %d bytes at most", MaxKey))
	}
	if len(s.Body) == 0 && len(s.Gone) == 0 {
		issues = append(issues, fault.Errorf("required", "", "the body is empty: send one FHIR R4 resource or Bundle as JSON"))
	}
	if len(issues) > 0 {
		return fault.New(fault.Invalid, issues...)
	}
	return nil
}

// read turns one resource, which has an id, into an input.
func (i *Ingest) read(ctx context.Context, shelf *catalogue.Shelf, s decision.Submission, doc *tree.Doc) (decision.Input, error) {
	reading, err := i.reads(s, doc)
	if err != nil {
		return decision.Input{}, shelf.Refuse(ctx, catalogue.Case{Source: s.Source, Doc: doc, Reading: &reading}, err)
	}
	in := i.input(s, doc, reading)
	if at := s.Place; at.ID != "" {
		in.Record.ID, in.Record.SourceID, in.Record.SourceVersion = at.ID, at.SourceID, ""
	}
	if reading.Type == "Questionnaire" {
		in.Record.Issues = append(in.Record.Issues, shelf.Put(s.Source, in.Record.Unversioned(), doc)...)
	}
	by, err := i.enter(ctx, shelf, &in, doc, &reading)
	if err == nil && by.definition != nil {
		err = i.Library.Keep(ctx, s.Tenant, by.definition)
	}
	return in, err
}

// reads is what a resource says. Errors: as fhir.Reader.Read.
func (i *Ingest) reads(s decision.Submission, doc *tree.Doc) (fhir.Reading, error) {
	bases := s.Bases
	if bases == nil {
		bases = i.Bases[s.Source]
	}
	return i.Reader.Read(doc, s.Source, bases...)
}

// entered says by what a reading was taken over.
type entered struct {
	// unknown says that it answers a form that no instrument is known for.
	unknown bool
	// definition that scored it; nil when it was not scored.
	definition *instrument.Definition
}

// enter takes what a reading says over as facts, under ids by which those of a later version replace them. Errors: as
// catalogue.Shelf.Score.
func (i *Ingest) enter(
	ctx context.Context, shelf *catalogue.Shelf, in *decision.Input, doc *tree.Doc, reading *fhir.Reading,
) (by entered, err error) {
	if reading.Draft != nil && !reading.Void {
		if by.definition, err = i.score(ctx, shelf, in, doc, reading); err != nil {
			return by, err
		}
		by.unknown = by.definition == nil
	}
	i.date(in)
	i.mark(in, doc)
	for n := range in.Facts {
		f := &in.Facts[n]
		f.ID = ref.Digest("fact", in.Record.Type, in.Record.ID, string(f.Kind), f.ID)
	}
	return by, nil
}

// mark enters what the resource can be found by, and what is derived from it.
func (i *Ingest) mark(in *decision.Input, doc *tree.Doc) {
	looked := &search.Document{Type: in.Record.Type, Root: doc.Root, Source: in.Record.Source, Namer: i.Namer}
	in.Record.Marks, in.Record.Sieve = search.Marks(looked), search.Sieve(looked)
	for n := range in.Facts {
		if f := &in.Facts[n]; f.Scores != nil && in.Record.Type == "QuestionnaireResponse" {
			in.Record.Marks = append(in.Record.Marks, search.DerivedMarks(f.Scores.Instrument, f.At)...)
		}
	}
}

func (i *Ingest) input(s decision.Submission, doc *tree.Doc, reading fhir.Reading) decision.Input {
	in := decision.Input{
		Record: record.Record{
			Resource: ref.Resource{Type: reading.Type, ID: i.Namer.ID(s.Source, reading.LogicalID)}, Source: s.Source, SourceID: reading.LogicalID,
			SourceVersion: sourceVersion(reading), Hash: doc.Content(), Codes: reading.Codes, From: reading.From, To: reading.To,
			Raw: doc.Raw(), Received: i.Now(), Issues: reading.Issues,
		},
		Identifiers: reading.Identifiers, Facts: reading.Facts, Key: s.Key, Changed: reading.Changed, BackFill: s.BackFill,
	}
	for _, l := range reading.Links {
		switch {
		case reading.Type != "Patient":
		case l.Kind == fhir.LinkReplaces:
			in.Replaces = append(in.Replaces, i.linked(s.Source, l.Target))
		case l.Kind == fhir.LinkReplacedBy:
			in.ReplacedBy = append(in.ReplacedBy, i.linked(s.Source, l.Target))
		}
	}
	switch subject := reading.Subject; {
	case subject.Logical != "":
		in.Subject = decision.Subject{Patient: ref.Patient(i.Namer.ID(s.Source, subject.Logical)), Path: subject.Path}
	case subject.Identifier != "":
		in.Subject = decision.Subject{Identifier: subject.Identifier, Path: subject.Path}
	}
	return in
}

// linked is the patient that a Patient links to, from a target of the form `Patient/x` or `Patient?identifier=x`.
func (i *Ingest) linked(source ref.Source, target string) decision.Subject {
	if identifier, ok := strings.CutPrefix(target, "Patient?identifier="); ok {
		return decision.Subject{Identifier: identifier}
	}
	_, id, _ := strings.Cut(target, "/")
	return decision.Subject{Patient: ref.Patient(i.Namer.ID(source, id))}
}

func sourceVersion(r fhir.Reading) string {
	if r.Version == "" && !r.Updated.IsZero() {
		return r.Updated.UTC().Format(time.RFC3339Nano)
	}
	return r.Version
}

// date keeps facts from lying in the future: what is planned counts from when it was heard of, and what claims to have
// happened later than now is not believed.
func (i *Ingest) date(in *decision.Input) {
	now := in.Record.Received
	kept := in.Facts[:0]
	for _, f := range in.Facts {
		switch {
		case f.At.IsZero():
			f.At = now
			if f.Prescription != nil && f.Prescription.From.IsZero() {
				dated := *f.Prescription
				dated.From = now
				f.Prescription = &dated
			}
		case f.At.After(now) && f.Team != nil && !f.Team.Active:
			continue // the team's end lies ahead, so it cares still
		case f.At.After(now) && (planned(f.Kind) || announced(f.Course)):
			if f.Visit != nil && f.Visit.Due.IsZero() {
				ahead := *f.Visit
				ahead.Due = f.At
				f.Visit = &ahead
			}
			f.At = now
		case f.At.After(now.Add(MaxAhead)) && f.Scores != nil && len(f.Scores.Critical) > 0:
			in.Record.Issues = append(in.Record.Issues, fault.Warnf("value", in.Record.Type,
				"dated more than a day in the future: its critical items are judged as of now, nothing else is used"))
			f.At, f.Scores = now, criticalAlone(f.Scores)
		case f.At.After(now.Add(MaxAhead)):
			in.Record.Issues = append(in.Record.Issues, fault.Warnf("value", in.Record.Type,
				"dated more than a day in the future: stored, not used"))
			continue
		}
		f.At = f.At.UTC().Truncate(time.Microsecond)
		kept = append(kept, f)
	}
	in.Facts = kept
}

// misdated is why no score may be taken from a form that claims to have been answered later than now.
const misdated = "misdated"

// criticalAlone are the critical items of a sheet, without its scores.
func criticalAlone(of *fact.Scores) *fact.Scores {
	alone := *of
	alone.Decisions, alone.Scores = nil, make([]fact.Score, len(of.Scores))
	for i := range of.Scores {
		alone.Scores[i] = fact.Score{Code: of.Scores[i].Code, NotScorable: misdated}
	}
	return &alone
}

func planned(k fact.Kind) bool {
	return k == fact.KindVisit || k == fact.KindPrescription || k == fact.KindTeam || k == fact.KindGoal
}

// announced says whether a course of care that is to begin later is known of already.
func announced(c *fact.Course) bool {
	return c != nil && (c.Status == fact.CoursePlanned || c.Status == fact.CourseWaiting || c.Status == fact.CourseActive)
}

// unused is the input of a resource that Rapport does not work with: kept in a Bundle, and said so.
func (i *Ingest) unused(s decision.Submission, doc *tree.Doc) (decision.Input, error) {
	typ, id := doc.Root().Child("resourceType").Text(), doc.Root().Child("id").Text()
	if !fhir.ResourceType(typ) || !ref.ValidID(id) {
		return decision.Input{}, fault.New(fault.Invalid, fault.Errorf("structure", doc.Root().Path(), "not a FHIR resource type and id"))
	}
	reading, _ := i.reads(s, doc) // it is not supported, which is known already; whom it is about is told none the less
	reading.Issues = []fault.Issue{
		fault.Infof("not-supported", doc.Root().Path(), "Rapport does not work with this resource type: kept, not used"),
	}
	return i.input(s, doc, reading), nil
}

func notSupported(err error) bool {
	var f *fault.Fault
	return errors.As(err, &f) && f.Kind == fault.NotSupported
}
