package fhir

import (
	"strconv"
	"time"
)

// Chronicle is a page of a history.
type Chronicle struct {
	// Self and Next link to this page and to the one after; Next is empty on the last.
	Self, Next string
	// Total counts all versions; nil when that is not known without reading on.
	Total *int
	// Entries, newest first.
	Entries []ChronicleEntry
}

// ChronicleEntry is one version and how it came to be.
type ChronicleEntry struct {
	// FullURL is absolute and without version.
	FullURL string
	// Method and URL of the request that made it.
	Method, URL string
	// Status begins with the three digits of its answer.
	Status string
	// ETag of the version.
	ETag string
	// LastModified is when it came in.
	LastModified time.Time
	// Resource as it is served; nil for a deletion.
	Resource []byte
}

// Bundle of type history.
func (p Chronicle) Bundle() []byte {
	size := 512
	for i := range p.Entries {
		size += len(p.Entries[i].Resource) + 256
	}
	b := append(make([]byte, 0, size), `{"resourceType":"Bundle","type":"history"`...)
	if p.Total != nil {
		b = strconv.AppendInt(append(b, `,"total":`...), int64(*p.Total), 10)
	}
	b = appendMember(append(b, `,"link":[{"relation":"self"`...), "url", p.Self)
	if p.Next != "" {
		b = appendMember(append(b, `},{"relation":"next"`...), "url", p.Next)
	}
	b = append(b, `}]`...)
	for i, e := range p.Entries {
		b = append(b, entryOpening(i)...)
		b = appendString(append(b, `{"fullUrl":`...), e.FullURL)
		if e.Resource != nil {
			b = append(append(b, `,"resource":`...), e.Resource...)
		}
		b = appendString(append(b, `,"request":{"method":`...), e.Method)
		b = appendMember(b, "url", e.URL)
		a := Answer{Status: e.Status, ETag: e.ETag, LastModified: e.LastModified}
		b = append(a.appendTo(append(b, `},"response":`...)), '}')
	}
	return append(b, bundleEnd(len(p.Entries))...)
}
