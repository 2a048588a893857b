package rest

import (
	"net/http"
	"strings"

	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/fhir/tree"
	"github.com/rapport-health/rapport/services/store"
)

// placed is where a resource that a client names by our id is kept: that of its own source when it has one. A client that
// names another source as its own is told so when it is stored.
func (c *call) placed(s *decision.Submission, of ref.Resource, head record.Head, there bool) {
	s.Place = decision.Place{ID: of.ID, Source: s.Source, SourceID: of.ID}
	if own, ok := strings.CutPrefix(of.ID, string(s.Source)+"."); ok && c.config.Namer.ID(s.Source, own) == of.ID {
		s.Place.SourceID = own
	}
	if !there || head.Stub {
		return
	}
	s.Place.SourceID = head.SourceID
	if c.r.Header.Get(headerSource) == "" {
		s.Source, s.Place.Source = head.Source, head.Source
	}
}

// changeable is the kind of what a client wants to change.
func (c *call) changeable(typ string) (*kind, error) {
	k, ok := kindOf(typ)
	switch {
	case !ok:
		return nil, unknownKind(typ)
	case !k.sent:
		return nil, madeHere(typ)
	}
	return k, nil
}

// madeHere refuses what would change what the server makes.
func madeHere(what string) error {
	return &refusal{http.StatusMethodNotAllowed, "GET, HEAD", fault.Newf(fault.NotSupported, "not-supported", "%s resources are made by the server and cannot be sent or changed", what)}
}

// target is the resource that the path names.
func (c *call) target() (ref.Resource, *kind, error) {
	of := ref.Resource{Type: c.r.PathValue("type"), ID: c.r.PathValue("id")}
	k, err := c.changeable(of.Type)
	if err == nil && !ref.ValidID(of.ID) {
		err = fault.Newf(fault.Invalid, "value", "an id has letters, digits, `-` and `.`, at most 64")
	}
	return of, k, err
}

// own refuses to change what is derived.
func (c *call) own(of ref.Resource) error {
	if of.Type != "Observation" {
		return nil
	}
	if _, _, _, ok := ref.SplitDerived(of.ID); !ok {
		return nil
	}
	derived := false
	err := c.look(func(v *sight) (err error) {
		_, derived, err = v.derived(of)
		return err
	})
	if err == nil && derived {
		err = madeHere("derived Observation")
	}
	return err
}

// update takes a resource under the id that the path names.
func (c *call) update() error {
	of, _, err := c.target()
	if err != nil {
		return err
	}
	s, err := c.submission(of.Type, c.config.MaxResource)
	if err != nil {
		return err
	}
	if err := sameID(s.Body, of.ID); err != nil {
		return err
	}
	if of, err = c.meant(of, s.Source); err != nil {
		return err
	}
	return c.put(of, s)
}

// meant is the resource that a client means by an id. One that speaks for another source than the home one means its own
// id, as on gRPC, unless it is the id that a resource of that source has here.
func (c *call) meant(of ref.Resource, source ref.Source) (ref.Resource, error) {
	named := ref.Resource{Type: of.Type, ID: c.config.Namer.ID(source, of.ID)}
	if named == of {
		return of, nil
	}
	err := c.config.Store.View(c.r.Context(), c.tenant, func(r store.Reader) error {
		head, there, err := headOf(r, of)
		if err == nil && there && head.Source == source {
			named = of
		}
		return err
	})
	return named, err
}

// sameID checks that a body bears the id that the path names. What is wrong with the body otherwise is told later.
func sameID(body []byte, id string) error {
	doc, err := tree.Parse(body, tree.Limits{Bytes: len(body) + 1})
	if err != nil {
		return err
	}
	if !doc.Root().Child("id").Is(id) {
		return fault.New(fault.Invalid, fault.Errorf("value", doc.Root().Path()+".id", "the id of the body must be the one that the URL names"))
	}
	return nil
}

// put stores a resource under one of our ids, if the client's conditions hold.
func (c *call) put(of ref.Resource, s decision.Submission, also ...func(store.Reader) error) error {
	g, err := c.guard()
	if err != nil {
		return err
	}
	if err := c.own(of); err != nil {
		return err
	}
	return decided(func() (bool, error) {
		var head record.Head
		var there bool
		err := c.config.Store.View(c.r.Context(), c.tenant, func(r store.Reader) (err error) {
			head, there, err = headOf(r, of)
			return err
		})
		if err == nil {
			err = g.holds(head, there)
		}
		if err != nil {
			return false, err
		}
		placed := s
		c.placed(&placed, of, head, there)
		accept := c.config.Accept.Accept
		if g.given() || len(also) > 0 {
			conditions := append([]func(store.Reader) error{g.guarded(of)}, also...)
			receipt, err := c.config.Accept.AcceptIf(c.r.Context(), placed, every(conditions))
			if err != nil || moved(receipt) {
				return moved(receipt), err
			}
			return false, c.changed(receipt, there && !head.Gone())
		}
		receipt, err := accept(c.r.Context(), placed)
		if err != nil {
			return false, err
		}
		return false, c.changed(receipt, there && !head.Gone())
	})
}

// changed answers a PUT or PATCH.
func (c *call) changed(receipt decision.Receipt, existed bool) error {
	status := http.StatusCreated
	if existed || receipt.Outcome == record.Unchanged {
		status = http.StatusOK
	}
	return c.created(receipt, status)
}
