package wire

import (
	"slices"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/domain/fact"
)

// RescoredScores pairs the scores of one resource before and now, by their codes; nil stands for none.
func RescoredScores(was, is *fact.Scores) []*rapportv1.RescoredScore {
	var before, now []fact.Score
	if was != nil {
		before = was.Scores
	}
	if is != nil {
		now = is.Scores
	}
	paired := make([]*rapportv1.RescoredScore, 0, max(len(before), len(now)))
	for _, s := range now {
		pair := &rapportv1.RescoredScore{Code: s.Code, After: scoreOf(s)}
		if n := coded(before, s.Code); n >= 0 {
			pair.Before = scoreOf(before[n])
		}
		paired = append(paired, pair)
	}
	for _, s := range before {
		if coded(now, s.Code) < 0 {
			paired = append(paired, &rapportv1.RescoredScore{Code: s.Code, Before: scoreOf(s)})
		}
	}
	return paired
}

func coded(scores []fact.Score, code string) int {
	return slices.IndexFunc(scores, func(s fact.Score) bool { return s.Code == code })
}
