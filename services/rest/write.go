package rest

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/rapport-health/rapport/services/domain/decision"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/fhir"
	"github.com/rapport-health/rapport/services/fhir/tree"
	"github.com/rapport-health/rapport/services/store"
)

// attempts is how often an interaction decides anew when what it has decided by was changed by another in the meantime.
const attempts = 10

// errMoved says that what a decision rests on is no longer so: decide again.
var errMoved = fault.Newf(fault.Conflict, "conflict", "another writer was first; send the request again")

// moved says whether a receipt was refused because what it rests on is no longer so.
func moved(r decision.Receipt) bool {
	return r.Outcome == record.Rejected && r.Kind == fault.Conflict && len(r.Issues) > 0 && r.Issues[0] == errMoved.Issues[0]
}

// decided tries until nobody else is first.
func decided(try func() (again bool, err error)) error {
	for range attempts {
		if again, err := try(); err != nil || !again {
			return err
		}
	}
	return errMoved
}

// tags are the versions that If-Match or If-None-Match name.
type tags struct {
	given, any bool
	versions   []int64
}

func readTags(lines []string) (tags, error) {
	t := tags{given: len(lines) > 0}
	for one := range strings.SplitSeq(strings.Join(lines, ","), ",") {
		if one = strings.TrimSpace(one); one == "*" {
			t.any = true
			continue
		}
		text, ok := strings.CutPrefix(strings.TrimPrefix(one, "W/"), `"`)
		text, closed := strings.CutSuffix(text, `"`)
		n, err := strconv.ParseInt(text, 10, 64)
		if t.given && (!ok || !closed || err != nil) {
			return t, fault.Newf(fault.Invalid, "value", `an entity tag is written W/"3", with the number of a version`)
		}
		t.versions = append(t.versions, n)
	}
	return t, nil
}

// fits says whether the current version, 0 for none, is one that is named.
func (t tags) fits(version int64) bool {
	return !t.given || version > 0 && (t.any || slices.Contains(t.versions, version))
}

// guard is what must be true of one resource for it to be changed.
type guard struct {
	match, none tags
}

func (c *call) guard() (guard, error) {
	match, err := readTags(c.r.Header.Values("If-Match"))
	if err != nil {
		return guard{}, err
	}
	none, err := readTags(c.r.Header.Values("If-None-Match"))
	return guard{match, none}, err
}

func (g guard) given() bool { return g.match.given || g.none.given }

// holds checks a resource as it stands. Errors: Precondition.
func (g guard) holds(head record.Head, there bool) error {
	version := head.Version
	if !there || head.Gone() {
		version = 0
	}
	if !g.match.fits(version) {
		if version == 0 {
			return fault.Newf(fault.Precondition, "conflict", "If-Match names a version, and there is no such resource")
		}
		return fault.Newf(fault.Precondition, "conflict", "the current version is %d, which If-Match does not name: read it again and decide again", version)
	}
	if g.none.given && version > 0 && g.none.fits(version) {
		return fault.Newf(fault.Precondition, "conflict", "the resource exists already, as version %d", version)
	}
	return nil
}

// headOf reads what is known of one resource.
func headOf(r store.Reader, of ref.Resource) (record.Head, bool, error) {
	heads, err := r.Heads([]ref.Resource{of.Unversioned()})
	head, ok := heads[of.Unversioned()]
	return head, ok, err
}

// guarded is the condition of a guard within the commit.
func (g guard) guarded(of ref.Resource) func(store.Reader) error {
	return func(r store.Reader) error {
		head, ok, err := headOf(r, of)
		if err != nil {
			return err
		}
		return g.holds(head, ok)
	}
}

// placed is where a resource that a client names by our id is kept: that of its own source when it has one. A client that
// names another source as its own is told so when it is stored.
func (c *call) placed(s *decision.Submission, of ref.Resource, head record.Head, there bool) {
	s.Place = decision.Place{ID: of.ID, Source: s.Source, SourceID: of.ID}
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
	return &refusal{http.StatusMethodNotAllowed, "GET, HEAD", fault.Newf(fault.NotSupported, "not-supported", "a %s is made by the server and cannot be sent or changed", what)}
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
	return c.put(of, s)
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

// every joins conditions.
func every(conditions []func(store.Reader) error) func(store.Reader) error {
	return func(r store.Reader) error {
		for _, holds := range conditions {
			if err := holds(r); err != nil {
				return err
			}
		}
		return nil
	}
}

// changed answers a PUT or PATCH.
func (c *call) changed(receipt decision.Receipt, existed bool) error {
	status := http.StatusCreated
	if existed || receipt.Outcome == record.Unchanged {
		status = http.StatusOK
	}
	return c.created(receipt, status)
}

// conditional reads the search by which an interaction names a resource. A condition of which a part is not understood
// would mean another resource, so it is refused.
func (c *call) conditional(k *kind, query string) (*inquiry, error) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil, badQuery()
	}
	for name := range controls {
		if name != "_format" && name != "_pretty" && values.Has(name) {
			return nil, fault.New(fault.Invalid, fault.Errorf("not-supported", "", "the parameter %s cannot stand in a condition", name))
		}
		delete(values, name)
	}
	q, err := readInquiry(k, values, c.base, c.config.Now().In(c.config.Zone))
	if err != nil {
		return nil, err
	}
	if refused := q.ignoredIssues(fault.Error); len(refused) > 0 {
		return nil, fault.New(fault.Invalid, refused...)
	}
	if len(q.conditions)+len(q.ids)+len(q.updated)+len(q.linked) == 0 || len(q.includes) > 0 {
		return nil, &refusal{http.StatusPreconditionFailed, "", fault.Newf(fault.Precondition, "multiple-matches", "the condition must name at least one search parameter")}
	}
	return q, nil
}

// only finds the resource that meets a condition; the zero one when none does. Errors: Precondition for several.
func (c *call) only(r store.Reader, q *inquiry) (ref.Resource, error) {
	ids, err := c.matches(c.r.Context(), r, q, 2)
	switch {
	case err != nil:
		return ref.Resource{}, err
	case len(ids) > 1:
		return ref.Resource{}, fault.Newf(fault.Precondition, "multiple-matches", "the condition is met by more than one %s", q.kind.name)
	case len(ids) == 0:
		return ref.Resource{}, nil
	}
	return ref.Resource{Type: q.kind.name, ID: ids[0]}, nil
}

// find is only, in a view of its own.
func (c *call) find(q *inquiry) (of ref.Resource, err error) {
	err = c.config.Store.View(c.r.Context(), c.tenant, func(r store.Reader) error {
		of, err = c.only(r, q)
		return err
	})
	return of, err
}

// still is the condition that a search finds what it found before.
func (c *call) still(q *inquiry, want ref.Resource) func(store.Reader) error {
	return func(r store.Reader) error {
		of, err := c.only(r, q)
		if fault.Of(err) == fault.Precondition && err != nil || err == nil && of != want {
			return errMoved
		}
		return err
	}
}

// createUnless creates a resource unless one meets the condition of If-None-Exist.
func (c *call) createUnless(k *kind, condition string, s decision.Submission) error {
	return decided(func() (bool, error) {
		q, err := c.conditional(k, strings.TrimPrefix(condition, "?"))
		if err != nil {
			return false, err
		}
		of, err := c.find(q)
		if err != nil {
			return false, err
		}
		if of.ID != "" {
			return false, c.foundInstead(of)
		}
		receipt, err := c.config.Accept.AcceptIf(c.r.Context(), s, c.still(q, of))
		if err != nil || moved(receipt) {
			return moved(receipt), err
		}
		return false, c.created(receipt, writtenStatus(http.MethodPost, receipt))
	})
}

// foundInstead answers with what is there already.
func (c *call) foundInstead(of ref.Resource) error {
	var rec record.Record
	err := c.config.Store.View(c.r.Context(), c.tenant, func(r store.Reader) (err error) {
		rec, err = r.Record(of)
		return err
	})
	if err != nil {
		return gone(err)
	}
	return c.created(decision.Receipt{Outcome: record.Unchanged, Resource: rec.Resource, Received: rec.Received, Issues: rec.Issues}, http.StatusOK)
}

// updateWhere updates the one resource that meets the condition of the query, or creates it.
func (c *call) updateWhere() error {
	typ := c.r.PathValue("type")
	k, err := c.changeable(typ)
	if err != nil {
		return err
	}
	s, err := c.submission(typ, c.config.MaxResource)
	if err != nil {
		return err
	}
	doc, err := tree.Parse(s.Body, tree.Limits{Bytes: len(s.Body) + 1})
	if err != nil {
		return err
	}
	id := doc.Root().Child("id").Text()
	for range attempts {
		q, err := c.conditional(k, c.r.URL.RawQuery)
		if err != nil {
			return err
		}
		of, err := c.find(q)
		if err != nil {
			return err
		}
		switch {
		case of.ID == "" && id == "":
			var receipt decision.Receipt
			if receipt, err = c.config.Accept.AcceptIf(c.r.Context(), s, c.still(q, of)); err == nil && !moved(receipt) {
				return c.created(receipt, writtenStatus(http.MethodPost, receipt))
			}
		case of.ID == "":
			err = c.put(ref.Resource{Type: typ, ID: id}, s, c.still(q, of))
		case id != "" && id != of.ID:
			return fault.New(fault.Invalid, fault.Errorf("value", doc.Root().Path()+".id", "the id of the body is not that of the resource that meets the condition"))
		default:
			named := s
			named.Body = tree.Named(s.Body, of.ID)
			err = c.put(of, named, c.still(q, of))
		}
		if !errors.Is(err, errMoved) {
			return err
		}
	}
	return errMoved
}

// patch changes parts of a resource.
func (c *call) patch() error {
	of, _, err := c.target()
	if err != nil {
		return err
	}
	return c.patched(func() (ref.Resource, error) { return of, nil })
}

// patchWhere changes parts of the one resource that meets the condition of the query.
func (c *call) patchWhere() error {
	k, err := c.changeable(c.r.PathValue("type"))
	if err != nil {
		return err
	}
	q, err := c.conditional(k, c.r.URL.RawQuery)
	if err != nil {
		return err
	}
	return c.patched(func() (ref.Resource, error) {
		again := *q
		again.conditions = slices.Clone(q.conditions)
		of, err := c.find(&again)
		if err == nil && of.ID == "" {
			err = fault.Newf(fault.NotFound, "not-found", "no %s meets the condition", k.name)
		}
		return of, err
	})
}

// patched patches what which finds. The result goes the way of an update.
func (c *call) patched(which func() (ref.Resource, error)) error {
	body, err := c.patchBody()
	if err != nil {
		return err
	}
	g, err := c.guard()
	if err != nil {
		return err
	}
	return decided(func() (bool, error) {
		of, err := which()
		if err == nil {
			err = c.own(of)
		}
		if err != nil {
			return false, err
		}
		rec, err := c.current(of)
		if err == nil {
			err = g.holds(rec.Head(), true)
		}
		if err != nil {
			return false, err
		}
		s, err := c.patchOf(rec, body)
		if err != nil {
			return false, err
		}
		receipt, err := c.config.Accept.AcceptIf(c.r.Context(), s, unmoved(rec.Resource))
		if err != nil || moved(receipt) {
			return moved(receipt), err
		}
		if receipt.Outcome == record.Rejected && receipt.Kind == fault.Invalid {
			receipt.Kind = fault.Unprocessable // the patch can be read; what it makes is not FHIR
		}
		return false, c.created(receipt, http.StatusOK)
	})
}

func (c *call) patchBody() ([]byte, error) {
	mediaType, _, _ := strings.Cut(c.r.Header.Get("Content-Type"), ";")
	if !strings.EqualFold(strings.TrimSpace(mediaType), "application/json-patch+json") {
		return nil, unsupported("a patch must be a JSON Patch: Content-Type application/json-patch+json")
	}
	return c.body(c.config.MaxResource)
}

// current reads the current version. Errors: NotFound, or gone.
func (c *call) current(of ref.Resource) (rec record.Record, err error) {
	err = c.config.Store.View(c.r.Context(), c.tenant, func(r store.Reader) error {
		rec, err = r.Record(of)
		return err
	})
	if err != nil {
		return rec, gone(err)
	}
	return rec, nil
}

// patchOf is the submission of a patched resource.
func (c *call) patchOf(rec record.Record, patch []byte) (decision.Submission, error) {
	doc, err := tree.Parse(fhir.Served(rec), tree.Limits{})
	if err != nil {
		return decision.Submission{}, err
	}
	body, err := tree.Patch(doc, patch)
	if err != nil {
		return decision.Submission{}, err
	}
	after, err := tree.Parse(body, tree.Limits{})
	if err != nil {
		return decision.Submission{}, fault.New(fault.Unprocessable, fault.IssuesOf(err)...)
	}
	if !after.Root().Child("id").Is(rec.ID) || !after.Root().Child("resourceType").Is(rec.Type) {
		return decision.Submission{}, fault.New(fault.Unprocessable, fault.Errorf("business-rule", rec.Type+".id", "a patch may not change what resource it is"))
	}
	s := decision.Submission{Tenant: c.tenant, Source: c.config.Source, Body: body, Type: rec.Type}
	if source := c.r.Header.Get(headerSource); source != "" {
		s.Source = ref.Source(source)
	}
	c.placed(&s, rec.Unversioned(), rec.Head(), true)
	return s, nil
}

// unmoved is the condition that a version is still the current one.
func unmoved(of ref.Resource) func(store.Reader) error {
	return func(r store.Reader) error {
		head, _, err := headOf(r, of)
		if err == nil && head.Version != of.Version {
			err = errMoved
		}
		return err
	}
}

// delete deletes a resource.
func (c *call) delete() error {
	of, _, err := c.target()
	if err != nil {
		return err
	}
	if err := c.own(of); err != nil {
		return err
	}
	g, err := c.guard()
	if err != nil {
		return err
	}
	return c.deleted(of, g.guarded(of))
}

// deleteWhere deletes the one resource that meets the condition of the query.
func (c *call) deleteWhere() error {
	k, err := c.changeable(c.r.PathValue("type"))
	if err != nil {
		return err
	}
	for range attempts {
		q, err := c.conditional(k, c.r.URL.RawQuery)
		if err != nil {
			return err
		}
		of, err := c.find(q)
		if err != nil {
			return err
		}
		if of.ID == "" {
			c.reply(http.StatusNoContent, nil)
			return nil
		}
		if err := c.deleted(of, c.still(q, of)); !errors.Is(err, errMoved) {
			return err
		}
	}
	return errMoved
}

func (c *call) deleted(of ref.Resource, holds func(store.Reader) error) error {
	receipt, err := c.config.Accept.AcceptIf(c.r.Context(), decision.Submission{
		Tenant: c.tenant, Source: c.config.Source, Gone: []ref.Resource{of},
	}, holds)
	switch {
	case err != nil:
		return err
	case moved(receipt):
		return errMoved
	case receipt.Outcome == record.Rejected:
		return rejected(receipt)
	}
	if receipt.Resource.Version > 0 {
		c.versioned(receipt.Resource.Version, receipt.Received)
	}
	c.reply(http.StatusNoContent, nil)
	return nil
}

// gone turns the store's word for what was deleted, or never was, into that of HTTP.
func gone(err error) error {
	if fault.Of(err) != fault.NotFound || err == nil {
		return err
	}
	for _, issue := range fault.IssuesOf(err) {
		if issue.Code == "deleted" {
			return wasDeleted()
		}
	}
	return unknownResource()
}

func wasDeleted() error {
	return &refusal{http.StatusGone, "", fault.Newf(fault.TooOld, "deleted", "the resource was deleted; its earlier versions can be read by their numbers")}
}
