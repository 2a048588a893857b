package commit

import (
	"slices"
	"time"

	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/feed"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/store"
)

// decide reads what the jobs need, judges them in order, commits all that was decided, and returns its events.
// It may run more than once, so every job's answer is set anew.
func decide(tx store.Tx, config *Config, listening *audience, jobs []*job) ([]feed.Draft, error) {
	rules, policy := config.Rules()
	desk := decision.NewDesk(rules, config.Now()).Under(config.Terms).Telling(policy)
	jobs, err := allowed(tx, jobs)
	if err != nil {
		return nil, err
	}
	if err := lay(tx, desk, jobs); err != nil {
		return nil, err
	}
	var decisions []*decision.Decision
	bounds := make([]int, 0, len(jobs))
	for _, j := range jobs {
		made, err := j.decide(tx, desk, config.MaxInputs)
		if err != nil {
			return nil, err
		}
		decisions = append(decisions, made...)
		bounds = append(bounds, len(decisions))
	}
	if len(decisions) == 0 {
		return nil, nil
	}
	if err := settle(tx, desk); err != nil {
		return nil, err
	}
	from := 0
	for n, j := range jobs {
		if j.again() {
			decision.Tally(j.receipts, decisions[from:bounds[n]])
		}
		from = bounds[n]
	}
	if err := listening.address(tx, decisions); err != nil {
		return nil, err
	}
	var events []feed.Draft
	for _, made := range decisions {
		events = append(events, made.Events...)
	}
	return events, tx.Commit(decisions...)
}

// allowed leaves out the jobs that the state before the group does not allow, with the reason as their answer.
func allowed(tx store.Tx, jobs []*job) ([]*job, error) {
	kept := make([]*job, 0, len(jobs))
	for _, j := range jobs {
		if j.holds != nil {
			if err := j.holds(tx); err != nil && unavailable(err) {
				return nil, err
			} else if err != nil {
				j.receipts = refuse(j.inputs, err)
				continue
			}
		}
		kept = append(kept, j)
	}
	return kept, nil
}

// lay puts on the desk what all the inputs need, with few reads.
func lay(tx store.Tx, desk *decision.Desk, jobs []*job) error {
	var inputs []decision.Input
	for _, j := range jobs {
		inputs = append(inputs, j.inputs...)
	}
	if err := layNames(tx, desk, decision.NeedsOf(inputs)); err != nil {
		return err
	}
	var episodes []ref.Episode
	for i := range inputs {
		episodes = append(episodes, desk.Episodes(&inputs[i])...)
	}
	for _, j := range jobs {
		episodes = append(episodes, j.ticks...)
		for _, one := range j.due {
			episodes = append(episodes, one.Episode)
		}
	}
	if err := layEpisodes(tx, desk, episodes); err != nil {
		return err
	}
	return layHistories(tx, desk, inputs)
}

// layHistories reads, all at once, the histories that are known to be needed before anything is judged.
func layHistories(tx store.Tx, desk *decision.Desk, inputs []decision.Input) error {
	var needed []ref.Episode
	for i := range inputs {
		needed = append(needed, desk.History(&inputs[i])...)
	}
	slices.Sort(needed)
	return layHistory(tx, desk, slices.Compact(needed))
}

func layNames(tx store.Tx, desk *decision.Desk, needs decision.Needs) error {
	var heads map[ref.Resource]record.Head
	var names map[string]record.Alias
	keys := make(map[ref.Source]map[string]record.Key, len(needs.Keys))
	err := store.Together(tx, func() (err error) {
		if len(needs.Resources) > 0 {
			heads, err = tx.Heads(needs.Resources)
		}
		if len(needs.Names) > 0 && err == nil {
			names, err = tx.Patients(needs.Names)
		}
		for source, wanted := range needs.Keys {
			if err == nil {
				keys[source], err = tx.Keys(source, wanted)
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	desk.PutHeads(heads)
	desk.PutNames(names)
	for source, known := range keys {
		desk.PutKeys(source, known)
	}
	return nil
}

// layEpisodes reads the episodes that are not on the desk yet.
func layEpisodes(tx store.Tx, desk *decision.Desk, episodes []ref.Episode) error {
	seen := make(map[ref.Episode]bool, len(episodes))
	var missing []ref.Episode
	for _, e := range episodes {
		if !seen[e] && !desk.HasEpisode(e) {
			seen[e] = true
			missing = append(missing, e)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	states, err := tx.States(missing)
	if err != nil {
		return err
	}
	for _, e := range missing {
		desk.PutEpisode(e, states[e])
	}
	return nil
}

// settle reads the alerts that the findings so far may touch, and only those, and settles what becomes of the findings.
func settle(tx store.Tx, desk *decision.Desk) error {
	if err := layAlerts(tx, desk, desk.Unalerted()); err != nil {
		return err
	}
	if err := layHistory(tx, desk, desk.Unread()); err != nil {
		return err
	}
	if err := layTold(tx, desk, desk.Rations()); err != nil {
		return err
	}
	desk.Settle()
	return nil
}

// layTold reads what roles were told today.
func layTold(tx store.Tx, desk *decision.Desk, of []alert.Ration) error {
	if len(of) == 0 {
		return nil
	}
	told, err := tx.Told(of)
	if err != nil {
		return err
	}
	desk.PutTold(of, told)
	return nil
}

func layAlerts(tx store.Tx, desk *decision.Desk, episodes []ref.Episode) error {
	if len(episodes) == 0 {
		return nil
	}
	alerts, err := tx.AlertsOf(episodes)
	if err != nil {
		return err
	}
	for _, e := range episodes {
		desk.PutAlerts(e, alerts[e])
	}
	return nil
}

func layHistory(tx store.Tx, desk *decision.Desk, episodes []ref.Episode) error {
	if len(episodes) == 0 {
		return nil
	}
	facts, err := tx.Facts(episodes)
	if err != nil {
		return err
	}
	for _, e := range episodes {
		desk.PutHistory(e, facts[e])
	}
	return nil
}

func (j *job) decide(tx store.Tx, desk *decision.Desk, most int) ([]*decision.Decision, error) {
	switch {
	case j.command != nil:
		return j.decideCommand(tx, desk)
	case j.due != nil:
		return j.decideDue(tx, desk)
	case j.ticks != nil:
		return j.decideTicks(tx, desk, most)
	case j.atomic:
		return j.decideTogether(tx, desk)
	}
	j.receipts = make([]decision.Receipt, 0, len(j.inputs))
	decisions := make([]*decision.Decision, 0, len(j.inputs))
	for i := range j.inputs {
		if err := prepare(tx, desk, &j.inputs[i]); err != nil {
			return nil, err
		}
		made, receipt := desk.Decide(&j.inputs[i])
		if made != nil {
			decisions = append(decisions, made)
		}
		j.receipts = append(j.receipts, receipt)
	}
	return decisions, nil
}

// again says whether the job judges what was judged before.
func (j *job) again() bool { return len(j.inputs) > 0 && j.inputs[0].Again }

// prepare reads what one input needs beyond what was read for all: an episode that an input before it led to, or a history.
func prepare(tx store.Tx, desk *decision.Desk, in *decision.Input) error {
	if err := layEpisodes(tx, desk, desk.Episodes(in)); err != nil {
		return err
	}
	return layHistory(tx, desk, desk.History(in))
}

// decideTogether judges inputs that stand or fall together.
func (j *job) decideTogether(tx store.Tx, desk *decision.Desk) ([]*decision.Decision, error) {
	var err error
	decisions, receipts, ok := desk.DecideAll(j.inputs, func(d *decision.Desk, in *decision.Input) bool {
		err = prepare(tx, d, in)
		return err == nil
	})
	if err != nil {
		return nil, err
	}
	j.receipts = receipts
	if !ok {
		return nil, nil
	}
	return decisions, nil
}

// decideTicks passes deadlines of all the episodes in the order of time, at most so many.
func (j *job) decideTicks(tx store.Tx, desk *decision.Desk, most int) ([]*decision.Decision, error) {
	until, moved := j.horizon(desk), map[ref.Episode]bool{}
	var decisions []*decision.Decision
	for len(decisions) < most {
		e, passed := soonest(desk, j.ticks, until)
		if !passed {
			break
		}
		if desk.TickHistory(e) {
			if err := layHistory(tx, desk, []ref.Episode{e}); err != nil {
				return nil, err
			}
		}
		decisions = append(decisions, desk.TickOnce(e))
		moved[e] = true
	}
	j.moved = len(moved)
	return decisions, nil
}

// horizon is the moment up to which deadlines are passed: where episodes that are not among these wait, the latest of
// these, so that no deadline is passed before an earlier one of another episode. It is zero when there is none.
func (j *job) horizon(desk *decision.Desk) (until time.Time) {
	if !j.others {
		return time.Time{}
	}
	for _, e := range j.ticks {
		if at, passed := desk.NextTick(e); passed && at.After(until) {
			until = at
		}
	}
	return until
}

// soonest is the episode whose deadline passed first, of those up to a moment, or of all when it is zero.
func soonest(desk *decision.Desk, of []ref.Episode, until time.Time) (first ref.Episode, found bool) {
	var at time.Time
	for _, e := range of {
		next, passed := desk.NextTick(e)
		if !passed || !until.IsZero() && next.After(until) || found && !next.Before(at) {
			continue
		}
		first, at, found = e, next, true
	}
	return first, found
}

// decideDue does to alerts what time alone does.
func (j *job) decideDue(tx store.Tx, desk *decision.Desk) ([]*decision.Decision, error) {
	if err := j.layDue(tx, desk); err != nil {
		return nil, err
	}
	var decisions []*decision.Decision
	j.moved = 0
	for _, one := range j.due {
		if made := desk.Rouse(one.Episode, one.Alert); made != nil {
			decisions = append(decisions, made)
			j.moved++
		}
	}
	return decisions, nil
}

// layDue reads what rousing alerts needs, all at once, after what was found before is settled.
func (j *job) layDue(tx store.Tx, desk *decision.Desk) error {
	if err := settle(tx, desk); err != nil {
		return err
	}
	seen := make(map[ref.Episode]bool, len(j.due))
	var episodes, unalerted, unread []ref.Episode
	for _, one := range j.due {
		if !seen[one.Episode] {
			seen[one.Episode] = true
			episodes = append(episodes, one.Episode)
			if !desk.Alerted(one.Episode) {
				unalerted = append(unalerted, one.Episode)
			}
		}
	}
	if err := layAlerts(tx, desk, unalerted); err != nil {
		return err
	}
	for _, one := range j.due {
		if desk.DueHistory(one.Episode, one.Alert) && !slices.Contains(unread, one.Episode) {
			unread = append(unread, one.Episode)
		}
	}
	if err := layHistory(tx, desk, unread); err != nil {
		return err
	}
	return layTold(tx, desk, desk.Rations(episodes...))
}

func (j *job) decideCommand(tx store.Tx, desk *decision.Desk) ([]*decision.Decision, error) {
	j.err = nil
	found, err := tx.Alert(j.command.Alert)
	if err != nil {
		return nil, j.refused(err)
	}
	if err := layEpisodes(tx, desk, []ref.Episode{found.Episode}); err != nil {
		return nil, err
	}
	if err := settle(tx, desk); err != nil {
		return nil, err
	}
	if !desk.Alerted(found.Episode) {
		if err := layAlerts(tx, desk, []ref.Episode{found.Episode}); err != nil {
			return nil, err
		}
	}
	made, after, err := desk.Command(found.Episode, *j.command)
	j.alert = after
	if err != nil {
		return nil, j.refused(err)
	}
	if made == nil {
		return nil, nil
	}
	return []*decision.Decision{made}, nil
}

// refused keeps a refusal for the one caller; a store that is away concerns the whole group.
func (j *job) refused(err error) error {
	if unavailable(err) {
		return err
	}
	j.err = err
	return nil
}

func unavailable(err error) bool {
	return fault.Of(err) == fault.Unavailable || fault.Of(err) == fault.Internal
}
