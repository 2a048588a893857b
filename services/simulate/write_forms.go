package simulate

import (
	"strconv"

	"github.com/rapport-health/rapport/services/domain/ref"
)

// response writes a form as a QuestionnaireResponse in the patient's dialect. It holds no wording, only ids and codes.
func (w *writer) response(who *person, t *touch) {
	p := &w.page
	source := sender(who, t)
	w.begin(who, t, "QuestionnaireResponse", "us-core-questionnaireresponse")
	rating := t.kind == kindRating || t.kind == kindReflection
	if rating && who.extended {
		p.list("extension")
		p.open("")
		p.str("url", ratedClinician)
		p.reference("valueReference", "Practitioner/"+staff[t.with].id)
		p.end()
		p.close()
	}
	p.str("questionnaire", questionnaire(who, t.form))
	p.str("status", formStatus(t, "completed"))
	w.subject("subject", who, source)
	if rating && source != PRO {
		p.reference("encounter", w.refer(who, kindEncounter, int(t.number)))
	}
	p.time("authored", w.at(t.happened))
	w.answeredBy(who, t, source)
	p.list("item")
	for i := range sheets[t.form].items {
		w.item(who, t, i)
	}
	if publicForms[t.form] != nil {
		w.extras(who, t)
	}
	p.close()
	p.end()
}

// answeredBy writes who filled a form in.
func (w *writer) answeredBy(who *person, t *touch, source ref.Source) {
	p := &w.page
	switch t.kind {
	case kindReflection:
		p.reference("author", "Practitioner/"+staff[t.with].id)
		p.reference("source", "Practitioner/"+staff[t.with].id)
	case kindProxy:
		p.reference("source", w.refer(who, kindPartner, 0))
	default:
		if who.dialect == usCore {
			w.subject("author", who, source)
		}
		w.subject("source", who, source)
	}
}

// questionnaire that a form names, by dialect.
func questionnaire(who *person, k instrument) string {
	f := publicForms[k]
	switch {
	case k == feedback && who.dialect == flowsheet:
		return "Questionnaire/325236236"
	case k == feedback:
		return "https://clinic.example.org/fhir/Questionnaire/visit-feedback"
	case f == nil:
		return canonical + "/Questionnaire/" + sheets[k].id
	case who.dialect == flowsheet:
		return f.relative
	case who.dialect == german:
		return f.germanForm
	case who.numeric:
		return f.loincForm
	}
	return f.usCoreForm
}

// linkID of an item, from 0.
func linkID(who *person, k instrument, item int) string {
	f := publicForms[k]
	switch {
	case k == feedback && who.dialect == flowsheet:
		return "325236236|220423|" + strconv.Itoa(55545+item)
	case f == nil:
		return sheets[k].id + "-" + strconv.Itoa(item+1)
	case who.dialect == german:
		return f.german[item]
	case who.dialect == usCore && who.numeric:
		return f.numeric[item]
	}
	return f.coded[item]
}

// item writes one item; one that was left out is there without an answer, or not at all in flowsheets.
func (w *writer) item(who *person, t *touch, i int) {
	p, v := &w.page, t.answers[i]
	if v == unanswered && who.dialect == flowsheet {
		return
	}
	p.open("")
	p.str("linkId", linkID(who, t.form, i))
	if v != unanswered {
		p.list("answer")
		p.open("")
		w.answer(who, t.form, int(v))
		p.end()
		p.close()
	}
	p.end()
}

// answer writes value[x].
func (w *writer) answer(who *person, k instrument, v int) {
	p := &w.page
	coded := publicForms[k] != nil
	switch {
	case k == srs:
		p.tenths("valueDecimal", v)
	case who.dialect == flowsheet:
		p.int("valueDecimal", v)
	case coded && who.dialect == german:
		p.open("valueCoding")
		p.str("code", frequencyAnswers[v])
		p.end()
	case coded:
		p.open("valueCoding")
		if !who.numeric {
			p.ordinal(v)
		}
		p.str("system", loinc)
		p.str("code", frequencyAnswers[v])
		p.end()
	default:
		p.int("valueInteger", v)
	}
}

// ordinal writes the weight of a coding, as published forms outside LOINC carry it.
func (p *page) ordinal(v int) {
	p.list("extension")
	p.open("")
	p.str("url", ordinalValue)
	p.int("valueDecimal", v)
	p.end()
	p.close()
}

// extras are the unscored difficulty item of the phq-9, and the total that the EHR worked out itself
// when nothing was left out: a number, or text in flowsheets.
func (w *writer) extras(who *person, t *touch) {
	p, f := &w.page, publicForms[t.form]
	total := t.answers.total(t.form)
	if t.form == phq9 && total > 0 && who.dialect == usCore {
		p.open("")
		p.str("linkId", pickText(who.numeric, "57492", "/69722-7"))
		p.list("answer")
		p.open("")
		p.open("valueCoding")
		p.str("system", loinc)
		p.str("code", difficultyAnswers[min(3, total/6)])
		p.end()
		p.end()
		p.close()
		p.end()
	}
	if !t.answers.complete(t.form) {
		return
	}
	p.open("")
	switch who.dialect {
	case flowsheet:
		p.str("linkId", f.codedTotal)
	case german:
		p.str("linkId", f.germanTotal)
	default:
		p.str("linkId", pickText(who.numeric, f.numericTotal, f.codedTotal))
	}
	p.list("answer")
	p.open("")
	if who.dialect == flowsheet {
		p.str("valueString", strconv.Itoa(total))
	} else {
		p.int("valueDecimal", total)
	}
	p.end()
	p.close()
	p.end()
}

func pickText(first bool, a, b string) string {
	if first {
		return a
	}
	return b
}
