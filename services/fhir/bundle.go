package fhir

import (
	"slices"
	"strings"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/fhir/tree"
)

// MaxEntries is the most entries of one Bundle.
const MaxEntries = 10_000

// FewEnough fails with fault.TooLarge for a Bundle of more than MaxEntries, before any of them is looked at.
func FewEnough(doc *tree.Doc) error {
	if doc.Root().Child("entry").Len() <= MaxEntries {
		return nil
	}
	return fault.New(fault.TooLarge, fault.Errorf("too-long", "Bundle.entry", "a Bundle may have %d entries at most: send several", MaxEntries))
}

// Bundle is a FHIR Bundle taken apart.
type Bundle struct {
	// Type is the Bundle.type.
	Type string
	// Entries in order.
	Entries []Entry
	// Issues are warnings about the Bundle itself.
	Issues []fault.Issue

	doc *tree.Doc
}

// Entry is one entry of a Bundle.
type Entry struct {
	// Path is its FHIRPath, such as `Bundle.entry[3]`.
	Path string
	// FullURL as sent; empty when not sent.
	FullURL string
	// Resource shares the bytes of the Bundle, and its paths lead from the Bundle; nil when the entry has none.
	Resource *tree.Doc
	// Method, URL, IfNoneExist and IfMatch of the request; empty when not sent.
	Method, URL, IfNoneExist, IfMatch string
	// Issues are the errors and warnings of this entry alone. With an error among them it must not be used.
	Issues []fault.Issue
}

// Type of the resource; empty when there is none.
func (e Entry) Type() string {
	if e.Resource == nil {
		return ""
	}
	return e.Resource.Root().Child("resourceType").Text()
}

// LogicalID is the id of the resource in its source: its own, else the one in a fullUrl that ends in `Type/id`; empty when
// there is none. A urn as the fullUrl is none: it links within its Bundle alone, and the next Bundle may mean another
// resource by it.
func (e Entry) LogicalID() string {
	if e.Resource == nil {
		return ""
	}
	if id := e.Resource.Root().Child("id").Text(); id != "" {
		return id
	}
	if p := loadStructure().parseReference(e.FullURL); p.typ != "" && p.typ == e.Type() {
		return p.id
	}
	return ""
}

// bundleTypes are the types of R4 that carry resources to be taken in.
var bundleTypes = []string{"transaction", "batch", "collection", "history", "searchset", "message", "document"}

// ReadBundle takes a Bundle apart. It fails with fault.Invalid when the Bundle itself breaks R4, and with
// fault.NotSupported when its type is none of those wanted; without any wanted, every type is that carries resources
// to be taken in. What is wrong with a single entry stands in the entry.
func ReadBundle(doc *tree.Doc, wanted ...string) (Bundle, error) {
	root := doc.Root()
	c := checker{structure: loadStructure()}
	if !root.Child("resourceType").Is("Bundle") {
		c.fail("structure", root, "resourceType must be Bundle")
		return Bundle{}, fault.New(fault.Invalid, c.issues...)
	}
	c.object(root, c.shapes["Bundle"])
	if c.errors > 0 {
		return Bundle{}, fault.New(fault.Invalid, c.issues...)
	}
	b := Bundle{Type: root.Child("type").Text(), Issues: c.issues, doc: doc}
	if len(wanted) == 0 {
		wanted = bundleTypes
	}
	if !slices.Contains(wanted, b.Type) {
		return Bundle{}, fault.New(fault.NotSupported, fault.Errorf("not-supported", root.Child("type").Path(),
			"a Bundle of type %s is not taken here, only %s", b.Type, strings.Join(wanted, ", ")))
	}
	entries := root.Child("entry")
	b.Entries = make([]Entry, 0, entries.Len())
	for n := entries.First(); n.Exists(); n = n.Next() {
		b.Entries = append(b.Entries, entry(doc, n, b.Type))
	}
	b.unique()
	return b, nil
}

// entry reads one entry and checks it by itself, without its resource.
func entry(doc *tree.Doc, n tree.Node, typ string) Entry {
	e := Entry{Path: n.Path()}
	c := checker{structure: loadStructure(), shallow: true}
	if n.Kind() != tree.Object {
		c.fail("structure", n, "must be an object, not %s", a(n.Kind()))
		e.Issues = c.issues
		return e
	}
	c.object(n, c.shapes["Bundle.entry"])
	request := n.Child("request")
	e.FullURL = n.Child("fullUrl").Text()
	e.Method, e.URL = request.Child("method").Text(), request.Child("url").Text()
	e.IfNoneExist, e.IfMatch = request.Child("ifNoneExist").Text(), request.Child("ifMatch").Text()
	e.Resource = doc.Sub(n.Child("resource"))
	switch demanded := typ == "transaction" || typ == "batch"; {
	case demanded && !request.Exists():
		c.fail("required", n, "request is missing: entries of a %s say what to do (bdl-3)", typ)
	case demanded && e.Resource == nil && (e.Method == "POST" || e.Method == "PUT"):
		c.fail("required", n, "resource is missing: %s needs one", e.Method)
	case strings.Contains(e.FullURL, "/_history/"):
		c.warn("invariant", n.Child("fullUrl"), "a fullUrl names no version (bdl-8)")
	}
	e.Issues = c.issues
	return e
}

// unique marks every second resource under one fullUrl (bdl-7); versions of one resource in a history are no fault.
func (b *Bundle) unique() {
	if b.Type == "history" {
		return
	}
	first := make(map[string]int, len(b.Entries))
	for i := range b.Entries {
		e := &b.Entries[i]
		if e.FullURL == "" {
			continue
		}
		key := e.FullURL
		if e.Resource != nil {
			key += " " + e.Resource.Root().Child("meta").Child("versionId").Text()
		}
		if before, twice := first[key]; twice {
			e.Issues = append(e.Issues, fault.Errorf("duplicate", e.Path+".fullUrl", "stands at entry[%d] already (bdl-7)", before))
			continue
		}
		first[key] = i
	}
}
