package score_test

import (
	"fmt"
	"strconv"

	"github.com/rapport-health/rapport/services/domain/instrument"
	"github.com/rapport-health/rapport/services/domain/response"
	"github.com/rapport-health/rapport/services/domain/score"
)

// draftOf is a completed form under our own canonical, answered with plain numbers; nil answers are left out.
func draftOf(def *instrument.Definition, form []*float64) response.Draft {
	d := response.Draft{Questionnaire: def.Canonical(), Status: "completed"}
	for i, x := range form {
		if x == nil {
			continue
		}
		d.Items = append(d.Items, item(len(d.Items), fmt.Sprintf("%s-%d", def.ID, i+1), decimal(*x)))
	}
	return d
}

func item(at int, linkID string, answers ...response.Answer) response.Item {
	path := fmt.Sprintf("QuestionnaireResponse.item[%d]", at)
	for i := range answers {
		answers[i].Path = fmt.Sprintf("%s.answer[%d]", path, i)
	}
	return response.Item{LinkID: linkID, Path: path, Answers: answers}
}

func decimal(x float64) response.Answer {
	return response.Answer{Kind: "Decimal", Number: strconv.FormatFloat(x, 'f', -1, 64)}
}

func coded(system, code string) response.Answer {
	return response.Answer{Kind: "Coding", System: system, Code: code}
}

// summary is a sheet without its pointers into the definition.
type summary struct {
	Scores        map[string]vectorScore
	Levels        map[string]string
	Critical      []score.Critical
	SafetyUnknown []int
	Items         []score.Item
}

func plain(sheet score.Sheet) summary {
	s := summary{
		Levels: map[string]string{}, Critical: sheet.Critical, SafetyUnknown: sheet.SafetyUnknown, Items: sheet.Items,
	}
	s.Scores, _ = published(sheet)
	for _, r := range sheet.Scores {
		s.Levels[r.Key.Code] = r.Level
	}
	return s
}
