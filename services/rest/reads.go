package rest

import (
	"net/http"
	"strings"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/fhir"
	"github.com/rapport-health/rapport/services/fhir/tree"
	"github.com/rapport-health/rapport/services/store"
)

// reads asks beforehand what the entries that read will be answered, for a transaction of which one fails stores nothing. What
// the transaction itself writes is there when it is read, and what it deletes is not.
func (p *plan) reads() error {
	for i := range p.entries {
		e := p.entries[i]
		if e.Method != http.MethodGet && e.Method != http.MethodHead {
			continue
		}
		of, named := readOf(e)
		written, gone := p.writes(of)
		switch {
		case named && gone:
			return fault.New(fault.TooOld, fault.Errorf("deleted", e.Path+".request.url", "this transaction deletes what it would read here"))
		case named && written:
			continue
		}
		heard, err := p.heard(e)
		if err != nil {
			return err
		}
		if heard.status >= http.StatusBadRequest {
			return unread(e, heard)
		}
		if named {
			if err := p.stays(of); err != nil {
				return err
			}
		}
	}
	return nil
}

// readOf is the one resource that an entry reads; named is false when it reads something else.
func readOf(e fhir.Request) (of ref.Resource, named bool) {
	path, _, _ := strings.Cut(strings.TrimPrefix(e.URL, "/"), "?")
	if !namedForm.MatchString(path) {
		return of, false
	}
	of, err := ref.ParseResource(path)
	return of, err == nil
}

// writes says whether the transaction leaves a resource behind, or deletes it.
func (p *plan) writes(of ref.Resource) (written, gone bool) {
	for i := range p.steps {
		if st := &p.steps[i]; st.of == of && of.ID != "" {
			written, gone = written || st.body != nil && !st.gone, gone || st.gone
		}
	}
	return written, gone
}

// stays makes it a condition of the commit that a stored resource is still there.
func (p *plan) stays(of ref.Resource) error {
	var there bool
	err := p.config.Store.View(p.r.Context(), p.tenant, func(r store.Reader) (err error) {
		_, there, err = headOf(r, of)
		return err
	})
	if err != nil || !there {
		return err // what is made when it is read does not go
	}
	p.holds = append(p.holds, func(r store.Reader) error {
		head, _, err := headOf(r, of)
		if err == nil && head.Gone() {
			err = errMoved
		}
		return err
	})
	return nil
}

// unread is the refusal of a transaction whose entry cannot be read: with the status and the first reason of that answer.
func unread(e fhir.Request, heard *heardWriter) error {
	code, text := "processing", "what this entry reads is not there"
	if doc, err := tree.Parse(heard.body.Bytes(), tree.Limits{}); err == nil {
		issue := doc.Root().Child("issue").At(0)
		if said := issue.Child("details").Child("text").Text(); said != "" {
			code, text = issue.Child("code").Text(), said
		}
	}
	kind := fault.Unprocessable
	if heard.status >= http.StatusInternalServerError {
		kind = fault.Unavailable
	}
	return &refusal{heard.status, "", fault.New(kind, fault.Errorf(code, e.Path+".request.url", "%s", text))}
}
