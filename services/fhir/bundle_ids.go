package fhir

import (
	"cmp"
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/fhir/tree"
)

// ContentID is the id that is given to a resource that comes alone and has none of its own: it is made from where the
// resource comes from and what it says, so that a replay is known. Key is the sender's idempotency key, empty for none.
func ContentID(source ref.Source, typ, key string, hash [32]byte) string {
	return ref.Digest("content", string(source), typ, key, hex.EncodeToString(hash[:]))
}

// Taken is under what name an entry of a Bundle is taken in.
type Taken struct {
	// ID is the logical id in its source; empty for an entry that has no resource.
	ID string
	// Given says that the id is none of the source's own, but was given to the entry here.
	Given bool
}

// GivenIDs are the ids that are given to those entries of a Bundle for which wanted holds, in order; the others stay empty. An
// entry that nothing in the Bundle can point to, and that points to nothing in it, is known by what it says, as if it had
// come alone. One that is linked with others is known by the Bundle and by its fullUrl (or its place) there: a urn:uuid may
// mean somebody else in the next Bundle.
func GivenIDs(bundle *tree.Doc, source ref.Source, wanted func(n int) bool) []string {
	entries := bundle.Root().Child("entry")
	ids := make([]string, 0, entries.Len())
	var all *links
	for e := range entries.Children() {
		ids = append(ids, "")
		n := len(ids) - 1
		resource := bundle.Sub(e.Child("resource"))
		if resource == nil || !wanted(n) {
			continue
		}
		if all == nil {
			all = linksOf(bundle)
		}
		typ := resource.Root().Child("resourceType").Text()
		if full := e.Child("fullUrl").Text(); full != "" || all.linked(resource) {
			ids[n] = ref.Digest("entry", string(source), typ, all.hash, cmp.Or(full, strconv.Itoa(n)))
		} else {
			ids[n] = ContentID(source, typ, "", resource.Content())
		}
	}
	return ids
}

// links are how the entries of a Bundle point to one another.
type links struct {
	// hash of the Bundle.
	hash string
	// names by which an entry can be pointed to; only those of entries that may get an id here. used are all references.
	names, used map[string]bool
}

func linksOf(bundle *tree.Doc) *links {
	hash := bundle.Content()
	l := &links{hash: hex.EncodeToString(hash[:]), names: map[string]bool{}, used: map[string]bool{}}
	for e := range bundle.Root().Child("entry").Children() {
		if method := e.Child("request").Child("method"); method.Exists() && !method.Is("POST") {
			continue
		}
		if full := e.Child("fullUrl").Text(); full != "" {
			l.names[full] = true
		}
		if name := ownName(e.Child("resource")); name != "" {
			l.names[name] = true
		}
	}
	for text := range bundle.References() {
		l.used[text] = true
	}
	return l
}

// ownName is `Type/id` of a resource as it calls itself; empty without an id.
func ownName(resource tree.Node) string {
	id := resource.Child("id").Text()
	if id == "" {
		return ""
	}
	return resource.Child("resourceType").Text() + "/" + id
}

// linked says whether a resource points to another entry of its Bundle, or another to it.
func (l *links) linked(resource *tree.Doc) bool {
	own := ownName(resource.Root())
	if own != "" && l.used[own] {
		return true
	}
	for text := range resource.References() {
		if strings.HasPrefix(text, "urn:") || l.names[text] {
			return true
		}
	}
	return false
}

// Take says under what names the entries are taken in. With creates, an entry that is a POST is to be created, whatever id it
// has. Given are ids that were made before by GivenIDs, of the Bundle as it was sent; those that are empty are made here.
func (b *Bundle) Take(source ref.Source, creates bool, given []string) []Taken {
	taken := make([]Taken, len(b.Entries))
	missing := false
	for n := range b.Entries {
		e := &b.Entries[n]
		if e.Resource == nil {
			continue
		}
		taken[n].ID = e.LogicalID()
		if taken[n].Given = taken[n].ID == "" || creates && e.Method == "POST"; !taken[n].Given {
			continue
		}
		taken[n].ID = ""
		if n < len(given) {
			taken[n].ID = given[n]
		}
		missing = missing || taken[n].ID == ""
	}
	if !missing {
		return taken
	}
	made := GivenIDs(b.doc, source, func(n int) bool { return taken[n].Given && taken[n].ID == "" })
	for n, id := range made {
		taken[n].ID = cmp.Or(taken[n].ID, id)
	}
	return taken
}

// Targets give the `Type/id`, in the source's own ids, that a reference within the Bundle stands for: for each fullUrl, and
// for each `Type/id` by which an entry calls itself that is taken in under another id. They are for Settled.
func (b *Bundle) Targets(taken []Taken) map[string]string {
	targets := make(map[string]string, len(b.Entries))
	for n := range b.Entries {
		e := &b.Entries[n]
		typ, id := e.Type(), taken[n].ID
		if typ == "" || id == "" {
			continue
		}
		if e.FullURL != "" {
			targets[e.FullURL] = typ + "/" + id
		}
		if name := typ + "/" + e.LogicalID(); taken[n].Given && e.LogicalID() != "" {
			targets[name] = typ + "/" + id
		}
	}
	for n := range b.Entries {
		if e := &b.Entries[n]; !taken[n].Given && taken[n].ID != "" {
			delete(targets, e.Type()+"/"+taken[n].ID) // who keeps its name is meant by it
		}
	}
	return targets
}

// Settled is the resource of an entry under the id under which it is taken in, with what its references within the Bundle lead
// to; its paths lead from the Bundle as before. An id that FHIR does not allow is left where it is, to be refused.
func (e Entry) Settled(taken Taken, targets map[string]string) (*tree.Doc, error) {
	raw := tree.Rewrite(e.Resource, targets)
	return underID(e.Resource, raw, taken.ID)
}

// Named is a resource under an id. One that it has already and that FHIR does not allow is left where it is, to be refused.
func Named(doc *tree.Doc, id string) (*tree.Doc, error) { return underID(doc, doc.Raw(), id) }

func underID(doc *tree.Doc, raw []byte, id string) (*tree.Doc, error) {
	if own := doc.Root().Child("id"); id != "" && !own.Is(id) && (!own.Exists() || ref.ValidID(own.Text())) {
		raw = tree.Named(raw, id)
	}
	if same := doc.Raw(); len(raw) == len(same) && &raw[0] == &same[0] {
		return doc, nil
	}
	return tree.Again(doc, raw)
}
