package ingest

import (
	"context"
	"slices"

	"github.com/rapport-health/rapport/services/catalogue"
	"github.com/rapport-health/rapport/services/commit"
	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
)

// Rescoring says what to go through. Zero fields do not select.
type Rescoring struct {
	// Types of resources, of QuestionnaireResponse and Observation; none means QuestionnaireResponse.
	Types []string
	// Instruments by one of which something is scored, before or now.
	Instruments []string
	// OnlyUnscored leaves out what could be used.
	OnlyUnscored bool
	// DryRun writes nothing.
	DryRun bool
	// After is the patient after whom to begin.
	After ref.Patient
}

// Step is one thing that rescoring tells of: exactly one of its fields is set.
type Step struct {
	Progress *Progress
	Change   *Change
	Failure  *Failure
}

// Progress counts what was done so far.
type Progress struct {
	// Changed, Unchanged and Failed resources; what was amended while it was looked at is unchanged.
	Changed, Unchanged, Failed int64
	// Place after which another run goes on; empty at the end.
	Place ref.Patient
}

// Change is one resource that says something else by the instruments of today.
type Change struct {
	// Before is the version that was read, After the one that was stored; zero in a dry run.
	Before, After ref.Resource
	// Was and Is are its scores before and now; nil where it has none.
	Was, Is *fact.Scores
	// Opened and Retracted count the alerts that followed from it.
	Opened, Retracted int
}

// Failure is one resource that stays as it was.
type Failure struct {
	// Resource is the version that was read.
	Resource ref.Resource
	// Issues say why.
	Issues []fault.Issue
}

// The sizes of what is held at once.
const (
	patientsAtOnce = 50
	recordsAtOnce  = 100
	// readBytes bounds the bodies of one page, heldBytes those of changed resources that wait for their commit. What is
	// above they exceed by one resource at most.
	readBytes = 4 << 20
	heldBytes = 16 << 20
	// heldInputs bounds how many of them wait. A patient with more takes new scores in several commits.
	heldInputs = 1_000
)

// Rescore reads what is stored once more and stores what says something else now as a new version. It goes from patient
// to patient, so that all of a patient's resources take their new scores in one commit. What it did is told in order,
// and Progress after each page of patients.
// Errors: Invalid for a type or an instrument that there is not, Unavailable when the store is away, those of ctx and of
// tell; then nothing is under way any more.
func (i *Ingest) Rescore(ctx context.Context, t ref.Tenant, wish Rescoring, tell func(Step) error) error {
	if i.Store == nil {
		return fault.Newf(fault.NotSupported, "not-supported", "nothing can be scored again here")
	}
	if err := i.complete(&wish); err != nil {
		return err
	}
	run := rescoring{Ingest: i, ctx: ctx, tenant: t, Rescoring: wish, tell: tell}
	for at := wish.After; ; {
		page, err := run.patients(at)
		if err != nil {
			return err
		}
		for _, p := range page {
			if err = run.patient(p); err != nil {
				break
			}
		}
		if err := run.settle(err); err != nil {
			return err
		}
		if len(page) == patientsAtOnce {
			at = page[len(page)-1]
			run.Place = at
		} else {
			run.Place = ""
		}
		told := run.Progress
		if err := tell(Step{Progress: &told}); err != nil || run.Place == "" {
			return err
		}
	}
}

// complete checks a wish and fills in what it leaves open.
func (i *Ingest) complete(wish *Rescoring) error {
	if len(wish.Types) == 0 {
		wish.Types = []string{"QuestionnaireResponse"}
	}
	var issues []fault.Issue
	for _, typ := range wish.Types {
		if typ != "QuestionnaireResponse" && typ != "Observation" {
			issues = append(issues, fault.Errorf("value", "types", "only QuestionnaireResponse and Observation carry scores"))
		}
	}
	wish.Types = slices.Compact(slices.Sorted(slices.Values(wish.Types)))
	ids := make([]string, 0, len(wish.Instruments))
	for _, name := range wish.Instruments {
		definition, err := i.Library.Lookup(name)
		if catalogue.IsForm(name) && err != nil {
			ids = append(ids, name)
			continue
		}
		if err != nil {
			issues = append(issues, fault.Errorf("not-found", "instruments", "no instrument is known as %q", name))
			continue
		}
		ids = append(ids, definition.ID)
	}
	wish.Instruments = ids
	if len(issues) > 0 {
		return fault.New(fault.Invalid, issues...)
	}
	return nil
}

// rescoring is one run.
type rescoring struct {
	*Ingest
	Rescoring
	Progress
	ctx    context.Context
	tenant ref.Tenant
	tell   func(Step) error
	// waiting are the commits under way, in order; held is the size of what is in them.
	waiting []*batchAgain
	held    load
}

// batchAgain is what one patient's changes are, on their way to a commit.
type batchAgain struct {
	changes []Change
	pending *commit.Pending
}

// load is an amount of changed resources.
type load struct{ inputs, bytes int }

func (l load) full() bool { return l.inputs >= heldInputs || l.bytes >= heldBytes }

func (r *rescoring) patients(after ref.Patient) (page []ref.Patient, err error) {
	err = r.Store.View(r.ctx, r.tenant, func(from store.Reader) (err error) {
		page, err = from.PatientsAfter(after, r.Types, patientsAtOnce)
		return err
	})
	return page, err
}

// send tells of what was found out, and sends the changes on their way.
func (r *rescoring) send(found findings) error {
	r.Unchanged += found.unchanged
	r.Failed += int64(len(found.failures))
	for n := range found.failures {
		if err := r.tell(Step{Failure: &found.failures[n]}); err != nil {
			return err
		}
	}
	switch {
	case len(found.inputs) == 0:
		return nil
	case r.DryRun:
		r.Changed += int64(len(found.changes))
		return r.tellChanges(found.changes)
	}
	for _, d := range found.by {
		if err := r.Library.Keep(r.ctx, r.tenant, d); err != nil {
			return err
		}
	}
	pending, err := r.Group.Submit(r.ctx, r.tenant, found.inputs, true)
	if err != nil {
		return err
	}
	r.waiting = append(r.waiting, &batchAgain{found.changes, pending})
	r.held = load{r.held.inputs + found.load.inputs, r.held.bytes + found.bytes}
	if r.held.full() {
		return r.settle(nil)
	}
	return nil
}

func (r *rescoring) tellChanges(changes []Change) error {
	for n := range changes {
		if err := r.tell(Step{Change: &changes[n]}); err != nil {
			return err
		}
	}
	return nil
}

// settle waits for the commits under way and tells of them, unless something failed already. It returns what failed
// first.
func (r *rescoring) settle(failed error) error {
	for _, b := range r.waiting {
		receipts, err := b.pending.Wait()
		if err == nil && failed == nil {
			err = r.tellOf(b, receipts)
		}
		if failed == nil {
			failed = err
		}
	}
	r.waiting, r.held = nil, load{}
	return failed
}

// tellOf tells what became of a patient's changes. They stand or fall together.
func (r *rescoring) tellOf(b *batchAgain, receipts []decision.Receipt) error {
	fallen := slices.ContainsFunc(receipts, func(x decision.Receipt) bool { return x.Outcome == record.Rejected })
	for n, receipt := range receipts {
		step := Step{Change: &b.changes[n]}
		switch {
		case fallen:
			r.Failed++
			step = Step{Failure: &Failure{b.changes[n].Before, reasons(receipt)}}
		case receipt.Outcome == record.Unchanged:
			r.Unchanged++
			continue
		default:
			r.Changed++
			step.Change.After, step.Change.Opened, step.Change.Retracted = receipt.Resource, receipt.Opened, receipt.Retracted
		}
		if err := r.tell(step); err != nil {
			return err
		}
	}
	return nil
}

// reasons why something was not written.
func reasons(receipt decision.Receipt) []fault.Issue {
	if receipt.Outcome == record.Rejected && len(receipt.Issues) > 0 {
		return receipt.Issues
	}
	return []fault.Issue{fault.Warnf("suppressed", receipt.Resource.Type,
		"nothing was written: another resource of the same patient could not be judged")}
}
