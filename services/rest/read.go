package rest

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/rapport-health/rapport/services/domain/alert"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/ref"
	"github.com/rapport-health/rapport/services/fhir"
)

// page is a resource as it is read.
type page struct {
	version int64
	updated time.Time
	body    []byte
}

// read gives the current version.
func (c *call) read() error { return c.readVersion(0) }

// vread gives one version.
func (c *call) vread() error {
	version, err := strconv.ParseInt(c.r.PathValue("vid"), 10, 64)
	if err != nil || version < 1 {
		return unknownVersion()
	}
	return c.readVersion(version)
}

func unknownVersion() error {
	return fault.Newf(fault.NotFound, "not-found", "there is no such version; versions are numbered from 1")
}

func (c *call) readVersion(version int64) error {
	of := ref.Resource{Type: c.r.PathValue("type"), ID: c.r.PathValue("id"), Version: version}
	if shown(of.Type) != of.Type || !ref.ValidID(of.ID) {
		return unknownResource()
	}
	if _, ok := kindOf(of.Type); !ok && of.Type != "Bundle" && !fhir.ResourceType(of.Type) {
		return unknownKind(of.Type)
	}
	body, ok := c.artefacts[of.Unversioned().String()]
	if of.Type == "CodeSystem" && !ok {
		body = fhir.CodeSystem(of.ID, c.config.Definitions.Definitions(c.tenant))
		ok = body != nil
	}
	if ok && version <= 1 {
		return c.give(page{version: 1, updated: c.since, body: body})
	}
	var p page
	err := c.look(func(v *sight) (err error) {
		p, err = v.page(of)
		return err
	})
	if err != nil {
		return err
	}
	return c.give(p)
}

func unknownResource() error {
	return fault.Newf(fault.NotFound, "not-found", "there is no such resource")
}

// page reads from the store. A DetectedIssue is an alert; one that a Bundle brought is a record like any other. An
// Observation may be derived.
func (v *sight) page(of ref.Resource) (page, error) {
	switch of.Type {
	case "DetectedIssue":
		a, err := v.Alert(of.ID)
		switch {
		case err == nil:
			return v.issuePage(a, of.Version)
		case fault.Of(err) != fault.NotFound:
			return page{}, err
		}
	case "Task", "Flag":
		if p, made, err := v.workPage(of); made || err != nil {
			return p, err
		}
	case "Provenance":
		p, _, err := v.provenancePage(of.ID)
		if err == nil && of.Version > 0 && of.Version != p.version {
			return page{}, fault.Newf(fault.NotFound, "not-supported", "of a Provenance only the current version, %d, is kept", p.version)
		}
		if err == nil || fault.Of(err) != fault.NotFound {
			return p, err
		}
	case "Observation":
		if p, derived, err := v.derivedPage(of); derived || err != nil {
			return p, err
		}
	}
	rec, err := v.Record(of)
	if err != nil {
		return page{}, gone(err)
	}
	if rec.Gone() {
		return page{}, wasDeleted()
	}
	return page{version: rec.Version, updated: rec.Received, body: fhir.Served(rec)}, nil
}

// issuePage renders an alert. Its earlier versions are steps in its history, not pages.
func (v *sight) issuePage(a alert.Alert, version int64) (page, error) {
	if _, raised := fhir.IssueStatus(a); !raised {
		return page{}, unknownResource()
	}
	if err := currentAlone("DetectedIssue", a, version); err != nil {
		return page{}, err
	}
	body, err := v.issue(a)
	return page{version: a.Version, updated: fhir.IssueUpdated(a), body: body}, err
}

// give answers a read, or says that the client has it already. A part of a resource is asked for as in a search.
func (c *call) give(p page) error {
	if c.r.URL.RawQuery != "" {
		values, err := url.ParseQuery(c.r.URL.RawQuery)
		if err != nil {
			return badQuery()
		}
		q := &inquiry{kind: &kind{name: c.r.PathValue("type")}, used: url.Values{}}
		if err := q.readShape(values); err != nil {
			return err
		}
		p.body = q.shape.of(q.kind.name, p.body)
	}
	c.versioned(p.version, p.updated)
	if c.known(p) {
		c.reply(http.StatusNotModified, nil)
		return nil
	}
	c.reply(http.StatusOK, p.body)
	return nil
}

// known evaluates If-None-Match, and If-Modified-Since only in its absence.
func (c *call) known(p page) bool {
	if tags := c.r.Header.Values("If-None-Match"); len(tags) > 0 {
		for tag := range strings.SplitSeq(strings.Join(tags, ","), ",") {
			tag = strings.TrimSpace(tag)
			if tag == "*" || strings.TrimPrefix(tag, "W/") == strings.TrimPrefix(etag(p.version), "W/") {
				return true
			}
		}
		return false
	}
	since, err := http.ParseTime(c.r.Header.Get("If-Modified-Since"))
	return err == nil && !p.updated.Truncate(time.Second).After(since)
}

// metadata is the CapabilityStatement.
func (c *call) metadata() error {
	body, err := c.statement(c.base)
	if err != nil {
		return err
	}
	c.reply(http.StatusOK, body)
	return nil
}
