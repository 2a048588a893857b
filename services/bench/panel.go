package bench

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/rapport-health/rapport/services/simulate"
)

// source is the sending system: the home source of a server by default, so that ids are kept.
const source = "ehr"

// clinicTeam hears of every patient of the panel.
const clinicTeam = "bench-clinic"

// panel is a pool of synthetic patients who answer the PHQ-9 again and again. A patient's answers are dated one after
// the other, so nothing comes late unless it is sent in another order. One patient belongs to one sender at a time.
type panel struct {
	patients []patient
	begun    time.Time
}

type patient struct {
	name string
	// asked numbers the form, answered counts those that were made.
	asked, answered int
	// later is how much later than the first patient this one answers.
	later time.Duration
}

// answer is one response as it is to be sent.
type answer struct {
	// resource is its reference without version.
	resource string
	version  int
	body     []byte
	// safety says that the safety item was answered.
	safety bool
}

func (a answer) reference() string { return fmt.Sprintf("%s/_history/%d", a.resource, a.version) }

// digest of a body, to compare what was sent with what is stored.
func digest(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:12])
}

// newPanel is a pool of n patients. Their answers are dated from some hours before now, a minute apart: recent enough
// that no deadline passes while they are sent.
func newPanel(n int, now time.Time) *panel {
	p := &panel{patients: make([]patient, n), begun: now.Add(-36 * time.Hour).UTC().Truncate(time.Minute)}
	for i := range p.patients {
		p.patients[i].name = fmt.Sprintf("bench-%05d", i)
	}
	return p
}

// next is the next response of a patient.
func (p *panel) next(i int) answer {
	who := &p.patients[i]
	who.asked++
	return p.answer(who, who.asked)
}

// nextSafety is the next response of a patient that answers the safety item; what lies between is never made.
func (p *panel) nextSafety(i int) answer {
	who := &p.patients[i]
	for {
		who.asked++
		if answersSafety(simulate.PHQ9(who.name, p.begun, who.asked)) {
			return p.answer(who, who.asked)
		}
	}
}

func (p *panel) answer(who *patient, asked int) answer {
	who.answered++
	body := simulate.PHQ9(who.name, p.at(who), asked)
	return answer{
		resource: fmt.Sprintf("QuestionnaireResponse/%s-phq9-%d", who.name, asked), version: 1,
		body: body, safety: answersSafety(body),
	}
}

// at is when a patient answered last.
func (p *panel) at(who *patient) time.Time {
	return p.begun.Add(time.Duration(who.answered)*time.Minute + who.later)
}

// spread lets each patient answer so much later than the one before, so that a search of everybody does not find all of
// them at one moment.
func (p *panel) spread(apart time.Duration) {
	for i := range p.patients {
		p.patients[i].later = time.Duration(i) * apart
	}
}

// amended is the next version of a response, with other answers and a date a few seconds later.
func (p *panel) amended(a answer) answer {
	id := strings.TrimPrefix(a.resource, "QuestionnaireResponse/")
	name, number, _ := strings.Cut(id, "-phq9-")
	const other = 500_000
	var asked int
	if _, err := fmt.Sscanf(number, "%d", &asked); err != nil {
		panic("bench: " + id + " is not an id of the panel")
	}
	asked += other * a.version
	body := simulate.PHQ9(name, p.begun.Add(time.Duration(a.version)*time.Second), asked)
	for _, change := range [][2]string{
		{fmt.Sprintf("%s-phq9-%d", name, asked), id},
		{`"versionId":"1"`, fmt.Sprintf(`"versionId":"%d"`, a.version+1)},
		{`"status":"completed"`, `"status":"amended"`},
	} {
		body = bytes.ReplaceAll(body, []byte(change[0]), []byte(change[1]))
	}
	return answer{resource: a.resource, version: a.version + 1, body: body, safety: answersSafety(body)}
}

// The link id of the PHQ-9's ninth item, and the code of its answer "not at all".
const (
	safetyItem = `"/44260-8"`
	notAtAll   = `"code":"LA6568-5"`
)

// answersSafety says whether the ninth item is answered above zero.
func answersSafety(body []byte) bool {
	_, item, found := bytes.Cut(body, []byte(safetyItem))
	if !found {
		return false
	}
	item, _, _ = bytes.Cut(item, []byte(`"linkId"`))
	return !bytes.Contains(item, []byte(notAtAll))
}

// teamOf is the care team of a patient, with the clinic's team among its members, from before the first answer on: a
// team dated later would make every answer come late.
func (p *panel) teamOf(i int) []byte {
	name := p.patients[i].name
	return fmt.Appendf(nil, `{"resourceType":"CareTeam","id":"%s-team","meta":{"versionId":"1"},"status":"active",`+
		`"subject":{"reference":"Patient/%s"},"period":{"start":"%s"},"participant":[{"member":{"reference":"CareTeam/%s"}}]}`,
		name, name, p.begun.Add(-time.Hour).Format(time.RFC3339), clinicTeam)
}

// share are the patients of one of several senders.
func (p *panel) share(sender, senders int) []int {
	var mine []int
	for i := sender; i < len(p.patients); i += senders {
		mine = append(mine, i)
	}
	return mine
}
