package simulate

import (
	"strconv"
	"time"
)

// PHQ9 is one PHQ-9 response for load generation: about 2.6 kB, as a US Core EHR sends it (LOINC link ids, codings with
// ordinals, no text). The answers follow from patient and seq; one in fifty answers item 9 above zero. The id is
// `<patient>-phq9-<seq>`. The patient is a logical id of the sending source.
func PHQ9(patient string, at time.Time, seq int) []byte {
	p := page{make([]byte, 0, 3072)}
	id := patient + "-phq9-" + strconv.Itoa(seq)
	subject := "Patient/" + patient
	p.open("")
	p.str("resourceType", "QuestionnaireResponse")
	p.str("id", id)
	p.open("meta")
	p.str("versionId", "1")
	p.time("lastUpdated", at)
	p.list("profile")
	p.comma()
	p.b = appendString(p.b, usCoreBase+"us-core-questionnaireresponse")
	p.close()
	p.end()
	p.open("identifier")
	p.str("system", "https://clinic.example.org/response")
	p.str("value", id)
	p.end()
	p.str("questionnaire", publicForms[phq9].usCoreForm)
	p.str("status", "completed")
	p.reference("subject", subject)
	p.reference("encounter", "Encounter/"+patient+"-visit-"+strconv.Itoa(seq))
	p.time("authored", at)
	p.reference("author", subject)
	p.reference("source", subject)
	p.list("item")
	total := p.phqItems(phqAnswers(patient, seq))
	p.codedItem("/69722-7", difficultyAnswers[min(3, total/6)], min(3, total/6))
	p.open("")
	p.str("linkId", publicForms[phq9].codedTotal)
	p.list("answer")
	p.open("")
	p.int("valueDecimal", total)
	p.end()
	p.close()
	p.end()
	p.close()
	p.end()
	return p.b
}

// phqItems writes the nine items and returns their sum.
func (p *page) phqItems(answers [9]int) int {
	total := 0
	for i, v := range answers {
		total += v
		p.codedItem(publicForms[phq9].coded[i], frequencyAnswers[v], v)
	}
	return total
}

// codedItem writes an item answered with a LOINC code and its weight, 0 to 3, in one go.
func (p *page) codedItem(linkID, code string, weight int) {
	p.comma()
	p.b = append(p.b, `{"linkId":"`...)
	p.b = append(p.b, linkID...)
	p.b = append(p.b, `","answer":[{"valueCoding":{"extension":[{"url":"`+ordinalValue+`","valueDecimal":`...)
	p.b = append(p.b, byte('0'+weight))
	p.b = append(p.b, `}],"system":"`+loinc+`","code":"`...)
	p.b = append(p.b, code...)
	p.b = append(p.b, `"}}]}`...)
}

// phqAnswers are uneven answers round a level of the patient's own, steady from one seq to the next.
func phqAnswers(patient string, seq int) [9]int {
	h := uint64(len(patient))
	for i := range len(patient) {
		h = (h ^ uint64(patient[i])) * 0x100000001b3
	}
	level := scramble(h) % 3
	roll := scramble(h ^ uint64(seq)*0x9e3779b97f4a7c15)
	var answers [9]int
	for i := range 8 {
		answers[i] = int(min(3, level+roll>>(2*i)&1-roll>>(2*i+1)&1&min(1, level)))
	}
	if roll>>32%50 == 0 {
		answers[8] = 1
	}
	return answers
}
