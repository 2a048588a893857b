package path

import (
	"fmt"
	"testing"
)

func TestAQuestionTellsItsOptionsWithTheirWeights(t *testing.T) {
	set := `{"resourceType":"ValueSet","id":"vs","status":"active","compose":{"include":[{"system":"` + system + `","concept":[{"code":"one"},{"code":"two","display":"Two",` + weightExtension(itemWeight, "7") + `}]}]}}`
	q := readForm(t, form(`"contained":[`+set+`],`,
		question(`{"valueCoding":{"code":"zero"},`+weightExtension(ordinalValue, "0")+`}`, `{"valueCoding":{"code":"none"}}`),
		`{"linkId":"b","type":"choice","answerValueSet":"#vs"}`, `{"linkId":"n","type":"integer","answerOption":[{"valueInteger":10,`+weightExtension(itemWeight, "1.5")+`}]}`,
		`{"linkId":"w","type":"choice","answerValueSet":"http://example.org/nowhere"}`, `{"linkId":"s","type":"string"}`))
	for link, want := range map[string]string{
		"a": `[{"code":"zero"}] 0 true, [{"code":"none"}] 0 false, `,
		"b": `[{"code":"one","system":"` + system + `"}] 0 false, [{"code":"two","display":"Two","system":"` + system + `"}] 7 true, `,
		"n": `[10] 1.5 true, `, "w": "", "s": "", "nowhere": "",
	} {
		got := ""
		for _, o := range q.Options(link) {
			got += fmt.Sprintf("%s %g %t, ", shown([]Value{o.Value}), o.Weight, o.Weighted)
		}
		if got != want {
			t.Errorf("%s offers %s, want %s", link, got, want)
		}
	}
}
