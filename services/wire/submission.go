package wire

import (
	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/record"
)

var issueSeverities = map[fault.Severity]rapportv1.IssueSeverity{
	fault.Information: rapportv1.IssueSeverity_ISSUE_SEVERITY_INFORMATION,
	fault.Warning:     rapportv1.IssueSeverity_ISSUE_SEVERITY_WARNING,
	fault.Error:       rapportv1.IssueSeverity_ISSUE_SEVERITY_ERROR,
}

// Issues in protobuf.
func Issues(issues []fault.Issue) []*rapportv1.Issue {
	out := make([]*rapportv1.Issue, 0, len(issues))
	for _, i := range issues {
		out = append(out, &rapportv1.Issue{
			Severity: issueSeverities[i.Severity], Code: i.Code, Expression: i.Path, Text: i.Text,
		})
	}
	return out
}

var outcomes = map[record.Outcome]rapportv1.Outcome{
	record.Scored:    rapportv1.Outcome_OUTCOME_SCORED,
	record.Stored:    rapportv1.Outcome_OUTCOME_STORED,
	record.Unchanged: rapportv1.Outcome_OUTCOME_UNCHANGED,
	record.Gone:      rapportv1.Outcome_OUTCOME_GONE,
	record.Rejected:  rapportv1.Outcome_OUTCOME_REJECTED,
}

// Result of one submission.
func Result(r decision.Receipt) *rapportv1.Result {
	out := &rapportv1.Result{
		Outcome: outcomes[r.Outcome], Reference: r.Resource.String(), Issues: Issues(r.Issues), TenantSeq: r.TenantSeq,
	}
	for _, entry := range r.Entries {
		out.Entries = append(out.Entries, Result(entry))
	}
	return out
}
