package decision

import (
	"time"

	"github.com/rapport-health/rapport/services/domain/fact"
	"github.com/rapport-health/rapport/services/domain/fault"
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

// settled says whether it is known whom an input is about, from when it was judged before.
func (in *Input) settled() bool { return in.Again && in.Record.Patient != "" }

// known says whether what is stored answers an input, so that it need not be judged.
func known(head record.Head, in *Input) bool {
	if in.Again {
		return head.Version != in.Record.Version
	}
	return !head.Stub && (head.Hash == in.Record.Hash || outlived(head, in) || in.New && !head.Gone())
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

func rejected(err error) Receipt {
	return Receipt{Outcome: record.Rejected, Issues: fault.IssuesOf(err), Kind: fault.Of(err)}
}
