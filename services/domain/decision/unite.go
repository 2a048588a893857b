package decision

import (
	"slices"

	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/judge"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// resolve is the patient who is used in the place of one, as far as this group has decided.
func (d *Desk) resolve(p ref.Patient) ref.Patient {
	for at := d; at != nil; {
		if into, ok := at.unions[p]; ok {
			p, at = into, d
			continue
		}
		at = at.parent
	}
	return p
}

// identity is who a Patient resource is, without deciding anything.
func (d *Desk) identity(in *Input) ref.Patient {
	var a admitted
	if head, ok := d.head(in.Record.Unversioned()); ok {
		a.previous = &head
	}
	if d.admitPatient(in, &a) != nil {
		return ref.Patient(in.Record.ID)
	}
	return a.patient
}

// united names the episodes that become one by an input.
func (d *Desk) united(in *Input) []ref.Episode {
	if in.Record.Type != "Patient" || len(in.Replaces)+len(in.ReplacedBy) == 0 {
		return nil
	}
	var a admitted
	self := ref.Patient(in.Record.ID)
	if alias, known := d.name(nameOf(self)); known {
		self = alias.Patient
	}
	d.admitUnions(in, self, &a)
	var found []ref.Episode
	for _, u := range a.unions {
		found = append(found, ref.EpisodeOf(u.From), ref.EpisodeOf(u.Into))
	}
	return found
}

// after is who a patient is once the unions of the input are made.
func (a *admitted) after(p ref.Patient) ref.Patient {
	for _, u := range a.unions {
		if p == u.From {
			p = u.Into
		}
	}
	return p
}

// admitUnions settles which patients a Patient resource unites, and who it is afterwards.
func (d *Desk) admitUnions(in *Input, self ref.Patient, a *admitted) ref.Patient {
	if in.Again {
		return self
	}
	for _, s := range in.Replaces {
		if other := d.whom(s, a); other != "" {
			d.admitUnion(in, Union{From: a.after(other), Into: a.after(self)}, a)
		}
	}
	for _, s := range in.ReplacedBy[:min(len(in.ReplacedBy), 1)] {
		if other := d.whom(s, a); other != "" {
			d.admitUnion(in, Union{From: a.after(self), Into: a.after(other)}, a)
		}
	}
	d.noteUnion(in, self, a)
	return a.after(self)
}

// noteUnion says of a Patient who was sent before, and is kept under another's id, that it stays so although nothing in it
// says so any more.
func (d *Desk) noteUnion(in *Input, self ref.Patient, a *admitted) {
	if a.previous == nil || a.previous.Stub || self == ref.Patient(in.Record.ID) || len(in.Replaces)+len(in.ReplacedBy) > 0 {
		return
	}
	a.issues = append(a.issues, fault.Infof("informational", "Patient.link",
		"no link says so (any more), but all of this Patient is kept under another's id and stays there: to take apart what was united "+
			"by mistake, send what belongs to the other person again about a new Patient, and enter it in error here"))
}

// whom is the patient that a link leads to; empty when nobody is known by that identifier.
func (d *Desk) whom(s Subject, a *admitted) ref.Patient {
	name := s.Identifier
	if s.Patient != "" {
		name = nameOf(s.Patient)
	}
	if alias, known := d.name(name); known {
		return alias.Patient
	}
	if s.Patient == "" {
		a.issues = append(a.issues, fault.Warnf("not-found", "Patient.link",
			"nobody is known by the identifier of the linked Patient: the two are kept apart until it is sent again with a reference"))
	}
	return s.Patient
}

// admitUnion takes a union that is news, and that its source may make: who is another source's patient stays so.
func (d *Desk) admitUnion(in *Input, u Union, a *admitted) {
	if u.From == u.Into {
		return
	}
	if head, ok := d.head(patientResource(u.From)); ok && !head.Stub && head.Source != in.Record.Source {
		a.issues = append(a.issues, fault.Warnf("multiple-matches", "Patient.link",
			"the Patient to be replaced is another source's too: the two are kept apart"))
		return
	}
	a.issues = append(a.issues, fault.Warnf("informational", "Patient.link",
		"all of the Patient who is replaced is kept under the other's id from now on, for good: no later version takes the two apart again"))
	a.unions = append(a.unions, u)
	a.aliases = append(a.aliases, record.Alias{Name: nameOf(u.From), Patient: u.Into, Source: in.Record.Source})
}

// unite keeps all of one patient under the other from now on: facts, alerts, and what is still to come.
func (d *Desk) unite(dec *Decision, u Union) {
	dec.Unions = append(dec.Unions, u)
	d.unions[u.From] = u.Into
	if _, ok := d.head(patientResource(u.Into)); !ok {
		stub := d.stub(u.Into)
		dec.Records = append(dec.Records, *stub)
		d.heads[stub.Unversioned()] = stub.Head()
	}
	from, into := ref.EpisodeOf(u.From), ref.EpisodeOf(u.Into)
	gone, _ := d.episode(from)
	if gone.State == nil && len(gone.Facts) == 0 {
		return
	}
	known, _ := d.episode(into)
	known.Facts = merge(known.Facts, gone.Facts)
	known.Superseded = append(slices.Clip(known.Superseded), gone.Superseded...)
	var findings []judge.Finding
	known.State, findings = d.replayAll(u.Into, known.Facts)
	d.episodes[into] = known
	gone.State, gone.Facts = nil, nil
	d.episodes[from] = gone
	delete(d.held, from)
	delete(d.held, into)
	dec.Episodes = append(dec.Episodes, known.State)
	d.unsettled = append(d.unsettled, unsettled{dec, into, known.State, known.Facts, findings, true, united, from, nil})
}

// moveAlerts lays the alerts of an episode among those of the one that it became part of, under the names that the same
// findings have there. Those that still want somebody say so in the feeds of their new care teams too.
func (d *Desk) moveAlerts(u unsettled) {
	gone, _ := d.episode(u.from)
	known, _ := d.episode(u.episode)
	known.Alerts = slices.Clone(known.Alerts)
	for _, a := range gone.Alerts {
		a.Patient, a.Episode = u.state.Patient, u.episode
		if len(a.Facts) > 0 {
			a.Finding = judge.FindingID(a.Rule, a.Group, a.Facts[len(a.Facts)-1], a.Episode)
		}
		if a.Live() || a.Status == alert.Waiting {
			if a.Live() {
				d.board(u.decision, u.episode, known, u.state).reach(&a)
			}
			next, event, err := alert.Lifecycle(a, alert.Command{
				Alert: a.ID, Verb: alert.Amend, Version: a.Version, Actor: alert.Service, Reason: united, At: d.now,
			})
			if err == nil {
				a = next
				u.decision.Events = append(u.decision.Events, *event)
			}
		}
		u.decision.Alerts = append(u.decision.Alerts, a)
		known.Alerts = append(known.Alerts, a)
	}
	slices.SortStableFunc(known.Alerts, func(a, b alert.Alert) int { return a.Opened.Compare(b.Opened) })
	gone.Alerts = nil
	d.episodes[u.from], d.episodes[u.episode] = gone, known
}
