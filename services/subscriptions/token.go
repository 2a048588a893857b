package subscriptions

import (
	"net/http"

	"github.com/rapport-health/rapport/services/domain/access"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/subscription"
	"github.com/rapport-health/rapport/services/fhir"
)

// tokenFor is the operation by which a client that opens websockets shows what it may bind.
const tokenFor = "/$get-ws-binding-token"

// maxTokenFor bounds the subscriptions of one token.
const maxTokenFor = 100

// bindingToken answers $get-ws-binding-token: for the subscription of the path, for those that id names, or for all that are
// told over websockets.
func (c *request) bindingToken() error {
	wanted, err := c.tokenFor()
	if err != nil {
		return err
	}
	ids := make([]string, len(wanted))
	for i := range wanted {
		if wanted[i].Channel != subscription.Websocket {
			return fault.Newf(fault.Unprocessable, "business-rule", "the subscription %s is told by %s, not over a websocket", wanted[i].ID, wanted[i].Channel)
		}
		ids[i] = wanted[i].ID
	}
	if len(ids) == 0 {
		return fault.Newf(fault.NotFound, "not-found", "there is no subscription with the channel websocket")
	}
	if len(ids) > maxTokenFor {
		return fault.Newf(fault.Unprocessable, "too-costly", "a token is for %d subscriptions at most: name them by id", maxTokenFor)
	}
	right := c.config.Bindings.Of(c.principal, ids...)
	token, err := c.config.Bindings.Issue(c.r.Context(), right)
	if err != nil {
		return err
	}
	c.reply(http.StatusOK, fhir.BindingParameters(token, right.Until, ids, access.SocketURL(c.base)))
	return nil
}

func (c *request) tokenFor() ([]subscription.Subscription, error) {
	if c.r.PathValue("id") != "" {
		s, err := c.one()
		return []subscription.Subscription{s}, err
	}
	values, err := c.values()
	if err != nil {
		return nil, err
	}
	all, err := c.list(c.r.Context(), c.principal.Tenant)
	if err != nil {
		return nil, err
	}
	by, out := map[string]subscription.Subscription{}, []subscription.Subscription(nil)
	for _, s := range all {
		by[s.ID] = s
		if len(values["id"]) == 0 && s.Channel == subscription.Websocket {
			out = append(out, s)
		}
	}
	for _, id := range values["id"] {
		s, there := by[id]
		if !there {
			return nil, fault.New(fault.NotFound, fault.Errorf("not-found", "", "there is no subscription of an id that was named"))
		}
		out = append(out, s)
	}
	return out, nil
}
