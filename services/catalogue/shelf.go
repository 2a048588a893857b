package catalogue

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/instrument"
	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/fhir/tree"
	"github.com/rapport-health/rapport/services/store"
)

// Viewer reads a tenant's stored Questionnaires. One that offers store.Definitions too keeps what is made of them.
type Viewer interface {
	// View reads one consistent state of a tenant.
	View(ctx context.Context, t ref.Tenant, read func(store.Reader) error) error
}

// Library is the catalogue together with the Questionnaires that each tenant's systems have sent. It may be shared.
type Library struct {
	*Catalogue
	store Viewer
	namer ref.Namer
	now   func() time.Time

	compiled *cache
	mu       sync.Mutex
	// recent remembers what was found beside a name that the catalogue knows by itself.
	recent map[name]remembered
	// handed are Questionnaires that are on their way to the store.
	handed map[sender][]*copied
	// kept are the definitions that are in the store for sure.
	kept map[keptDefinition]bool
}

// keptDefinition names a definition made of a tenant's form.
type keptDefinition struct {
	tenant      ref.Tenant
	id, version string
}

// NewLibrary is the library over a store; without one, nil, it knows the catalogue alone. Now is the clock.
func NewLibrary(c *Catalogue, s Viewer, namer ref.Namer, now func() time.Time) *Library {
	return &Library{
		Catalogue: c, store: s, namer: namer, now: now, compiled: newCache(),
		recent: map[name]remembered{}, handed: map[sender][]*copied{}, kept: map[keptDefinition]bool{},
	}
}

// Keep writes a definition that was made of a tenant's form, so that what was scored by it can be explained later. Others
// are kept from the start. It writes to the store, so it may not be called within a View. Errors: Unavailable.
func (l *Library) Keep(ctx context.Context, t ref.Tenant, d *instrument.Definition) error {
	keeper, ok := l.store.(store.Definitions)
	if !d.Foreign || !ok {
		return nil
	}
	this := keptDefinition{t, d.ID, d.Version}
	l.mu.Lock()
	done := l.kept[this]
	l.mu.Unlock()
	if _, err := l.registry.Lookup(d.ID + "|" + d.Version); done || err == nil {
		return nil
	}
	body, err := d.Body()
	if err != nil {
		return err
	}
	of := store.Definition{ID: d.ID, Version: d.Version, Hash: d.Hash, Body: body}
	contradicted, err := keeper.KeepDefinitions(ctx, t, []store.Definition{of})
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "keep the definition of a form")
	}
	if len(contradicted) > 0 {
		return fault.Newf(fault.Internal, "conflict", "the definition of %s was made otherwise before, under the same version %s", d.ID, d.Version)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.kept) >= mostRecent {
		clear(l.kept)
	}
	l.kept[this] = true
	return nil
}

// sender is a source of a tenant.
type sender struct {
	tenant ref.Tenant
	source ref.Source
}

// name is what a response of a source calls its questionnaire.
type name struct {
	sender
	canonical string
}

type remembered struct {
	found []*copied
	at    time.Time
}

// fresh is how long it may take until a Questionnaire that another server has stored is used to check responses that an
// instrument of the catalogue scores anyway. The recent names are bounded: beyond, all are asked for again.
const (
	fresh      = 30 * time.Second
	mostRecent = 10_000
)

// copied is one Questionnaire that was received.
type copied struct {
	resource ref.Resource
	source   ref.Source
	q        *questionnaire
}

// Shelf is what a run of submissions of one tenant can see: the library, and the Questionnaires among the submissions,
// from the moment they are put there until the shelf is closed. It belongs to one goroutine at a time.
type Shelf struct {
	*Library
	tenant ref.Tenant
	reader store.Reader
	put    []*copied
	seen   map[name][]*copied
}

// Open is a shelf for a run of submissions.
func (l *Library) Open(t ref.Tenant) *Shelf { return &Shelf{Library: l, tenant: t} }

// OpenIn is a shelf whose questions go to a reader, for one who is reading the store already.
func (l *Library) OpenIn(t ref.Tenant, r store.Reader) *Shelf {
	return &Shelf{Library: l, tenant: t, reader: r}
}

// Put lets the responses of the same source that follow be scored by a Questionnaire that is not stored yet. It says what
// is wrong with it, and what will become of responses to it.
func (s *Shelf) Put(source ref.Source, resource ref.Resource, doc *tree.Doc) []fault.Issue {
	one := &copied{resource: resource, source: source, q: s.compileOnce(source, resource, doc.Content(), doc.Root())}
	s.put = append(s.put, one)
	s.seen = nil
	s.mu.Lock()
	from := sender{s.tenant, source}
	s.handed[from] = append(s.handed[from], one)
	s.forget()
	s.mu.Unlock()
	return s.told(one.q)
}

// Len is how many Questionnaires were put on the shelf.
func (s *Shelf) Len() int { return len(s.put) }

// Close ends the shelf, when what was put on it is stored or refused.
func (s *Shelf) Close() { s.Truncate(0) }

// Truncate takes away the Questionnaires that were put on the shelf after the first n: they will not be stored.
func (s *Shelf) Truncate(n int) {
	if n >= len(s.put) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.put[n:] {
		from := sender{s.tenant, one.source}
		left := slices.DeleteFunc(slices.Clone(s.handed[from]), func(other *copied) bool { return other == one })
		if s.handed[from] = left; len(left) == 0 {
			delete(s.handed, from)
		}
	}
	s.put, s.seen = s.put[:n], nil
	s.forget()
}

// forget what was found beside known names of the tenant. The lock is held.
func (s *Shelf) forget() {
	for n := range s.recent {
		if n.tenant == s.tenant {
			delete(s.recent, n)
		}
	}
}

// told is what the sender of a Questionnaire should know.
func (l *Library) told(q *questionnaire) []fault.Issue {
	issues := q.told()
	known, err := l.registry.Lookup(q.url)
	switch {
	case q.form == nil:
		issues = append(issues, fault.Warnf("not-supported", "Questionnaire", "stored; responses to it cannot be checked or scored by it"))
	case q.url != "" && err == nil && !known.Foreign:
		issues = append(issues, fault.Infof("informational", "Questionnaire", "responses are checked against it, and scored as %s %s", known.ID, known.Version))
	case q.def == nil && q.formulas.broken:
		issues = append(issues, fault.Warnf("not-supported", "Questionnaire",
			"its formulas cannot be used: responses are kept and checked, not scored; an overlay may say how they are"))
	case q.def == nil:
		issues = append(issues, fault.Infof("informational", "Questionnaire",
			"it has neither weights nor formulas: responses are kept and checked, not scored; an overlay may say how they are"))
	default:
		issues = append(issues, fault.Infof("informational", "Questionnaire", "responses are scored by it, as %s %s", q.def.ID, q.def.Version))
	}
	return issues
}

func (l *Library) compileOnce(source ref.Source, resource ref.Resource, hash [32]byte, root tree.Node) *questionnaire {
	return l.compiled.of(hashKey(source, hash), len(root.Raw()), func() *questionnaire {
		return l.compile(root, "questionnaire-"+ref.Digest(string(source), resource.ID))
	})
}

// known is what a source means by a name that the catalogue knows: a Questionnaire to check against, or nil. It asks the
// store once in a while.
func (s *Shelf) known(ctx context.Context, want wanted) (*questionnaire, error) {
	key := name{sender{s.tenant, want.source}, want.name}
	s.mu.Lock()
	before, ok := s.recent[key]
	s.mu.Unlock()
	if !ok || s.now().Sub(before.at) >= fresh {
		found, err := s.candidates(ctx, want)
		if err != nil {
			return nil, err
		}
		before = remembered{found, s.now()}
		s.mu.Lock()
		if len(s.recent) >= mostRecent {
			clear(s.recent)
		}
		s.recent[key] = before
		s.mu.Unlock()
	}
	q, err := want.pick(before.found)
	if err != nil {
		return nil, nil // the catalogue scores it, whichever of them is meant
	}
	return q, nil
}

// foreign is what a source means by a name that the catalogue does not know; nil when nobody knows. Within one run of
// submissions it is asked for once. Errors: as candidates and pick.
func (s *Shelf) foreign(ctx context.Context, want wanted) (*questionnaire, error) {
	key := name{sender{s.tenant, want.source}, want.name}
	found, ok := s.seen[key]
	if !ok {
		var err error
		if found, err = s.candidates(ctx, want); err != nil {
			return nil, err
		}
		if s.seen == nil {
			s.seen = map[name][]*copied{}
		}
		s.seen[key] = found
	}
	return want.pick(found)
}

// copies of stored Questionnaires: those under a code, and the one with a logical id of the source.
func (s *Shelf) copies(ctx context.Context, want wanted) (out []*copied, err error) {
	var records []record.Record
	read := func(r store.Reader) (err error) {
		records, err = want.records(r, s.namer)
		return err
	}
	switch {
	case s.reader != nil:
		err = read(s.reader)
	case s.store != nil:
		err = s.store.View(ctx, s.tenant, read)
	}
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "look for a questionnaire")
	}
	for i := range records {
		r := &records[i]
		doc, err := tree.Parse(r.Raw, tree.Limits{})
		if err != nil {
			return nil, fault.Wrap(fault.Internal, err, "read a stored questionnaire")
		}
		q := s.compileOnce(r.Source, r.Unversioned(), r.Hash, doc.Root())
		out = append(out, &copied{resource: r.Unversioned(), source: r.Source, q: q})
	}
	return out, nil
}

// records are the stored Questionnaires that may be meant.
func (w wanted) records(r store.Reader, namer ref.Namer) (records []record.Record, err error) {
	if w.code != "" {
		records, err = r.Search(record.Query{Type: questionnaireType, Codes: []string{w.code}, Max: mostCopies})
	}
	if err != nil || w.id == "" {
		return records, err
	}
	one, err := r.Record(ref.Resource{Type: questionnaireType, ID: namer.ID(w.source, w.id)})
	switch {
	case err != nil && fault.Of(err) == fault.NotFound:
		return records, nil
	case err != nil:
		return nil, err
	}
	if !slices.ContainsFunc(records, func(r record.Record) bool { return r.Resource == one.Resource }) {
		records = append(records, one)
	}
	return records, nil
}

const questionnaireType = "Questionnaire"

// mostCopies of one canonical are looked at.
const mostCopies = 100
