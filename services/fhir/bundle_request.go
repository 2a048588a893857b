package fhir

import (
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/fhir/tree"
)

// Request is what one entry of a transaction or batch asks for.
type Request struct {
	// Method and URL as written; empty when missing.
	Method, URL string
	// Condition is the first member that makes it conditional, such as ifMatch; empty when there is none.
	Condition string
	// Type and ID of the resource; empty when missing.
	Type, ID string
	// Place of the entry, from 0, and its Path, such as `Bundle.entry[3]`.
	Place int
	Path  string
	// Raw is the entry as written.
	Raw []byte
	// FullURL of the entry; empty when missing.
	FullURL string
	// Resource is the resource of the entry, with paths that lead from the Bundle; absent when missing.
	Resource tree.Node
	// IfMatch, IfNoneMatch, IfModifiedSince and IfNoneExist as written; empty when missing.
	IfMatch, IfNoneMatch, IfModifiedSince, IfNoneExist string
}

// conditions are the members of a request that make it conditional.
var conditions = [...]string{"ifNoneMatch", "ifModifiedSince", "ifMatch", "ifNoneExist"}

// ReadRequests reads what the entries of a Bundle ask for, and the Bundle's type. It fails with fault.Invalid when the
// body is no JSON that FHIR allows or no Bundle, and with fault.TooLarge over limit bytes.
func ReadRequests(body []byte, limit int) (typ string, entries []Request, err error) {
	doc, err := tree.Parse(body, tree.Limits{Bytes: limit})
	if err != nil {
		return "", nil, err
	}
	root := doc.Root()
	if !root.Child("resourceType").Is("Bundle") {
		return "", nil, fault.New(fault.Invalid, fault.Errorf("structure", "", "a Bundle is expected here; send another resource to [base]/its type"))
	}
	if err := FewEnough(doc); err != nil {
		return "", nil, err
	}
	for entry := range root.Child("entry").Children() {
		entries = append(entries, readRequest(entry))
		entries[len(entries)-1].Place = len(entries) - 1
	}
	return root.Child("type").Text(), entries, nil
}

func readRequest(entry tree.Node) Request {
	request, resource := entry.Child("request"), entry.Child("resource")
	r := Request{
		Method: request.Child("method").Text(),
		URL:    request.Child("url").Text(),
		Type:   resource.Child("resourceType").Text(),
		ID:     resource.Child("id").Text(),
		Path:   entry.Path(),
		Raw:    entry.Raw(),

		FullURL: entry.Child("fullUrl").Text(), Resource: resource,
		IfMatch: request.Child("ifMatch").Text(), IfNoneMatch: request.Child("ifNoneMatch").Text(),
		IfModifiedSince: request.Child("ifModifiedSince").Text(), IfNoneExist: request.Child("ifNoneExist").Text(),
	}
	for _, name := range conditions {
		if request.Child(name).Exists() {
			r.Condition = name
			break
		}
	}
	return r
}

// GivenTo are the ids that are given to those entries of one Bundle that create a resource, or would if nothing met their
// condition; the others are empty.
func GivenTo(entries []Request, source ref.Source) []string {
	ids := make([]string, len(entries))
	at := make(map[int]int, len(entries)) // by where the entry stands in the Bundle
	var bundle *tree.Doc
	for i, e := range entries {
		creates := e.Method == "POST" || e.Method == "PUT" && e.ID == ""
		if e.Resource.Exists() && creates {
			at[e.Place] = i
			bundle = e.Resource.Doc()
		}
	}
	if bundle == nil {
		return ids
	}
	for place, id := range GivenIDs(bundle, source, func(place int) bool { _, wanted := at[place]; return wanted }) {
		if i, wanted := at[place]; wanted {
			ids[i] = id
		}
	}
	return ids
}

// Batch is a Bundle of type batch with these entries as they were written.
func Batch(entries []Request) []byte {
	size := 64
	for _, e := range entries {
		size += len(e.Raw) + 1
	}
	b := append(make([]byte, 0, size), `{"resourceType":"Bundle","type":"batch"`...)
	for i, e := range entries {
		b = append(append(b, entryOpening(i)...), e.Raw...)
	}
	return append(b, bundleEnd(len(entries))...)
}
