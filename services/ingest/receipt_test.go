package ingest

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
)

func TestWhatIsKeptForReferenceSaysSoToItsSender(t *testing.T) {
	kept := decision.Receipt{Outcome: record.Stored, Resource: ref.Resource{Type: "Patient", ID: "p1", Version: 1}}
	reason := func(at string) []fault.Issue {
		return []fault.Issue{fault.Infof("success", at, "kept for reference: nothing is scored from a Patient")}
	}
	alone := part{entries: []*decision.Receipt{nil}}
	if diff := cmp.Diff(reason("Patient"), alone.receipt([]decision.Receipt{kept}).Issues); diff != "" {
		t.Errorf("alone (-want +got):\n%s", diff)
	}
	scored := decision.Receipt{Outcome: record.Scored, Resource: ref.Resource{Type: "Observation", ID: "o1", Version: 1}}
	unused := decision.Receipt{Outcome: record.Stored, Issues: []fault.Issue{fault.Infof("not-supported", "List", "kept, not used")}}
	bundle := part{bundle: true, entries: []*decision.Receipt{nil, nil, nil}}
	got := bundle.receipt([]decision.Receipt{scored, kept, unused}).Entries
	explained := kept
	explained.Issues = reason("Bundle.entry[1].resource")
	if diff := cmp.Diff([]decision.Receipt{scored, explained, unused}, got); diff != "" {
		t.Errorf("in a Bundle (-want +got):\n%s", diff)
	}
}

func TestEveryEntryOfARefusedTransactionNamesItsPlace(t *testing.T) {
	bad := decision.Receipt{Outcome: record.Rejected, Kind: fault.Invalid, Issues: []fault.Issue{
		fault.Errorf("required", "Bundle.entry[0].resource.status", "status is missing"),
	}}
	got := (&part{bundle: true, atomic: true, entries: []*decision.Receipt{&bad, {Outcome: record.Unchanged}}}).receipt(nil)
	if got.Outcome != record.Rejected || got.Entries[0].Issues[0].Path != bad.Issues[0].Path || got.Entries[1].Issues[0].Path != "Bundle.entry[1]" {
		t.Errorf("refused as %+v", got)
	}
}
