package fhir

import (
	"strconv"
	"time"

	"github.com/rapport-health/rapport/services/domain/record"
	"github.com/rapport-health/rapport/services/fhir/tree"
)

// Bundles are written by hand, not through a model: what was stored goes out byte for byte.

// Served is a stored resource as it is served: the bytes received, with the server's id and meta.
func Served(r record.Record) []byte {
	return tree.Splice(r.Raw, r.ID, strconv.FormatInt(r.Version, 10), r.Received)
}

// ServedAs is Served of a record whose body was parsed already; nil when it could not be.
func ServedAs(r record.Record, body *tree.Doc) []byte {
	if body == nil {
		return Served(r)
	}
	return body.Splice(r.ID, strconv.FormatInt(r.Version, 10), r.Received)
}

// Match is one entry of a search result.
type Match struct {
	// FullURL is absolute and without version.
	FullURL string
	// Resource as it is served.
	Resource []byte
}

// Searchset is the result of a search.
type Searchset struct {
	// Self names only the parameters that were used.
	Self string
	// Next is the page after this one; empty on the last.
	Next string
	// Total counts all matches; nil when that is not known without reading on.
	Total *int
	// Matches of this page.
	Matches []Match
	// Included are what matches lead to, or what leads to them.
	Included []Match
	// Outcome is an OperationOutcome about the search; nil when there is nothing to say.
	Outcome []byte
}

// Bundle of type searchset.
func (s Searchset) Bundle() []byte {
	b := make([]byte, 0, 512+sizeOf(s.Matches)+sizeOf(s.Included))
	b = append(b, `{"resourceType":"Bundle","type":"searchset"`...)
	if s.Total != nil {
		b = strconv.AppendInt(append(b, `,"total":`...), int64(*s.Total), 10)
	}
	b = appendMember(append(b, `,"link":[{"relation":"self"`...), "url", s.Self)
	if s.Next != "" {
		b = appendMember(append(b, `},{"relation":"next"`...), "url", s.Next)
	}
	b = append(b, `}]`...)
	for i, m := range s.Matches {
		b = m.appendTo(append(b, entryOpening(i)...), "match")
	}
	for i, m := range s.Included {
		b = m.appendTo(append(b, entryOpening(len(s.Matches)+i)...), "include")
	}
	entries := len(s.Matches) + len(s.Included)
	if s.Outcome != nil {
		b = append(append(append(b, entryOpening(entries)...), `{"resource":`...), s.Outcome...)
		b = append(b, `,"search":{"mode":"outcome"}}`...)
		entries++
	}
	return append(b, bundleEnd(entries)...)
}

func (m Match) appendTo(b []byte, mode string) []byte {
	b = append(appendString(append(b, `{"fullUrl":`...), m.FullURL), `,"resource":`...)
	return append(append(append(append(b, m.Resource...), `,"search":{"mode":"`...), mode...), `"}}`...)
}

func sizeOf(matches []Match) int {
	n := 0
	for _, m := range matches {
		n += len(m.Resource) + len(m.FullURL) + 80
	}
	return n
}

// Answer is what became of one entry of a transaction or batch.
type Answer struct {
	// Status begins with the three digits of the HTTP status.
	Status string
	// Location is `Type/id/_history/version` below the base, absolute; empty when nothing is stored.
	Location string
	// ETag such as `W/"1"`.
	ETag string
	// LastModified is zero when not known.
	LastModified time.Time
	// Outcome is an OperationOutcome; nil when there is nothing to say.
	Outcome []byte
	// FullURL and Resource are set when the caller asked for the representation.
	FullURL  string
	Resource []byte
}

// The types of a Bundle that answers another.
const (
	TransactionResponse = "transaction-response"
	BatchResponse       = "batch-response"
)

// ResponseBundle answers a Bundle, entry for entry in the same order. Type is TransactionResponse or BatchResponse.
func ResponseBundle(typ string, answers []Answer) []byte {
	b := make([]byte, 0, 256+256*len(answers))
	b = appendMember(append(b, `{"resourceType":"Bundle"`...), "type", typ)
	for i, a := range answers {
		b = append(b, entryOpening(i)...)
		b = append(b, '{')
		if a.FullURL != "" {
			b = append(appendString(append(b, `"fullUrl":`...), a.FullURL), ',')
		}
		if a.Resource != nil {
			b = append(append(append(b, `"resource":`...), a.Resource...), ',')
		}
		b = append(a.appendTo(append(b, `"response":`...)), '}')
	}
	return append(b, bundleEnd(len(answers))...)
}

func (a Answer) appendTo(b []byte) []byte {
	b = appendString(append(b, `{"status":`...), a.Status)
	if a.Location != "" {
		b = appendMember(b, "location", a.Location)
	}
	if a.ETag != "" {
		b = appendMember(b, "etag", a.ETag)
	}
	if !a.LastModified.IsZero() {
		b = appendMember(b, "lastModified", Instant(a.LastModified))
	}
	if a.Outcome != nil {
		b = append(append(b, `,"outcome":`...), a.Outcome...)
	}
	return append(b, '}')
}

func entryOpening(i int) string {
	if i == 0 {
		return `,"entry":[`
	}
	return ","
}

// bundleEnd closes the array of entries only when it was opened: FHIR knows no empty arrays.
func bundleEnd(entries int) string {
	if entries == 0 {
		return "}"
	}
	return "]}"
}

func appendMember(b []byte, name, value string) []byte {
	b = append(append(append(b, `,"`...), name...), `":`...)
	return appendString(b, value)
}

func appendString(b []byte, s string) []byte { return append(b, encode(s)...) }
