package commit

import (
	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/subscription"
	"github.com/rapport-health/rapport/services/store"
)

// audience is who is subscribed in one tenant, as of a version. It is read again when the version, which the tenant's
// own row holds under the lock of the transaction, is another one.
type audience struct {
	known   bool
	version int64
	of      subscription.Audience
}

// address lets the events of the decisions be numbered for those who are subscribed to them, and subscriptions follow
// patients who turned out to be others.
func (a *audience) address(tx store.Tx, decisions []*decision.Decision) error {
	if err := a.refresh(tx); err != nil || a.of.Empty() {
		return err
	}
	// An event may speak of an alert or a record that a later decision of the commit holds.
	var records []record.Record
	var alerts []alert.Alert
	for _, made := range decisions {
		records, alerts = append(records, made.Records...), append(alerts, made.Alerts...)
	}
	for _, made := range decisions {
		a.of.Address(made.Events, records, alerts)
		for _, u := range made.Unions {
			made.Subscriptions = append(made.Subscriptions, a.of.Unite(u.From, u.Into)...)
		}
	}
	return nil
}

func (a *audience) refresh(tx store.Tx) error {
	version, err := tx.SubscriptionsVersion()
	if err != nil || a.known && version == a.version {
		return err
	}
	all, err := tx.ListSubscriptions()
	if err != nil {
		return err
	}
	a.known, a.version, a.of = true, version, subscription.NewAudience(all)
	return nil
}
