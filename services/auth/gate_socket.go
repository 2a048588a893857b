package auth

import (
	"context"
	"crypto/rand"
	"net/http"
	"net/url"
	"strings"

	"github.com/rapport-health/rapport/services/domain/access"
	"github.com/rapport-health/rapport/services/domain/audit"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// socket passes a connection that stays open. It holds no place at the turnstile, which is for calls that end. A browser can
// send no Authorization with it, so who is not known yet comes in as nobody, and shows a token inside. What is shown over it
// is audited as a Stay.
func (g *Gate) socket(w http.ResponseWriter, r *http.Request, a *asked, next http.Handler) {
	err := g.comeIn(r, a)
	if err != nil {
		g.refused(r.Context(), a, statusOf(err))
		Problem(w, err)
		return
	}
	ctx := context.WithValue(r.Context(), visitKey{}, &Visit{g, a})
	if a.who.Tenant != "" {
		ctx = With(ctx, a.who)
	}
	next.ServeHTTP(w, r.WithContext(ctx))
}

// comeIn lets somebody in who is known, and nobody in particular who upgrades. What a browser sends by itself says nothing of
// the page that made it: who comes from another page is nobody.
func (g *Gate) comeIn(r *http.Request, a *asked) error {
	if a.breaking != "" {
		return fault.Newf(fault.Forbidden, "forbidden", "the glass is not broken over a websocket: ask for what is needed by itself")
	}
	upgrades := strings.EqualFold(r.Header.Get("Upgrade"), "websocket")
	if a.authorization == "" && upgrades && foreign(r) {
		a.begun, a.request = g.config.Now(), rand.Text()
		return g.throttled(g.guests, a.address)
	}
	err := g.enter(r.Context(), a)
	if a.authorization == "" && upgrades && fault.Of(err) == fault.Unauthenticated {
		return nil // enter has counted it as a guest's
	}
	return err
}

// foreign says whether a page of another origin asks.
func foreign(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return false
	}
	u, err := url.Parse(origin)
	return err != nil || !strings.EqualFold(u.Host, r.Host)
}

type visitKey struct{}

// Visit is a connection that stays open. A nil one, where no gate stands, counts and notes nothing.
type Visit struct {
	gate  *Gate
	asked *asked
}

// VisitOf is the visit of a request; nil when it is none.
func VisitOf(ctx context.Context) *Visit {
	v, _ := ctx.Value(visitKey{}).(*Visit)
	return v
}

// Try counts an attempt to come in by a token, as one of the guests at that address: whoever guesses is slowed down.
// Errors: Throttled.
func (v *Visit) Try() error {
	if v == nil {
		return nil
	}
	return v.gate.throttled(v.gate.guests, v.asked.address)
}

// Refused notes that somebody was not let in.
func (v *Visit) Refused(ctx context.Context, who access.Principal, err error) {
	if v != nil {
		v.gate.refused(ctx, v.as(who), statusOf(err))
	}
}

// as is the visit of somebody.
func (v *Visit) as(who access.Principal) *asked {
	a := *v.asked
	a.who, a.begun = who, v.gate.config.Now()
	return &a
}

// Stay is what somebody is shown during a visit; nil where none is noted.
type Stay struct {
	gate  *Gate
	asked *asked
	ctx   context.Context
}

// Stay begins to show something, `Type/id`, to somebody. The audit of it is durable before it returns; its error means that
// nothing may be shown.
func (v *Visit) Stay(ctx context.Context, who access.Principal, thing string) (*Stay, error) {
	if v == nil {
		return nil, nil
	}
	s := &Stay{v.gate, v.as(who), ctx}
	return s, v.gate.record(ctx, s.asked, audit.Done, "101", nil, []string{thing})
}

// Shown notes whose data was shown.
func (s *Stay) Shown(patients []ref.Patient) {
	if s == nil || len(patients) == 0 {
		return
	}
	now := *s.asked
	now.begun = s.gate.config.Now() // a stay may last for days
	err := s.gate.config.Audit.Note(context.WithoutCancel(s.ctx), now.entries(audit.Done, "101", patients, nil)...)
	if err != nil {
		s.gate.config.Log.Error("an access could not be audited to its end", "door", s.asked.door, "error", err)
	}
}
