package rest

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"io"
	"time"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// place orders the results of a search: alerts by severity, then newest first (those without a time last), then by id.
type place struct {
	severity uint8
	at       time.Time
	id       string
}

func (p place) compare(other place) int {
	return cmp.Or(cmp.Compare(other.severity, p.severity), other.at.Compare(p.at), cmp.Compare(p.id, other.id))
}

// cursor is where the next page begins, and what it must know of the pages before.
type cursor struct {
	after place
	// seen counts the matches before.
	seen int
	// now is the moment of the first page.
	now time.Time
	// upto is the number of the tenant's last event when the first page was read: the pages that follow tell of what was
	// stored by then, whatever came in meanwhile. It is nil on the first page.
	upto *int64
	// part is which of several lists is being read.
	part int
	// total is what the first page counted, where that is not counted again; less than 0 when it did not want to, nil when that
	// is not known.
	total *int
}

// cursorForm is the cursor inside of the opaque parameter.
type cursorForm struct {
	Severity uint8  `json:"s,omitempty"`
	Micros   *int64 `json:"t,omitempty"`
	ID       string `json:"i,omitempty"`
	Seen     int    `json:"n"`
	Now      int64  `json:"w"`
	Upto     *int64 `json:"q"`
	Part     int    `json:"p,omitempty"`
	Total    *int   `json:"c,omitempty"`
}

func (c cursor) String() string {
	form := cursorForm{Severity: c.after.severity, ID: c.after.id, Seen: c.seen, Now: c.now.Unix(), Upto: c.upto, Part: c.part, Total: c.total}
	if !c.after.at.IsZero() {
		form.Micros = new(c.after.at.UnixMicro())
	}
	text, err := json.Marshal(form)
	if err != nil {
		return "" // cannot be: the form holds numbers and an id
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

const maxCursor = 512

func parseCursor(s string) (cursor, error) {
	wrong := fault.New(fault.Invalid, fault.Errorf("value", "", "the search parameter %s is not one that this server gave out", pageParam))
	if len(s) > maxCursor {
		return cursor{}, wrong
	}
	text, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return cursor{}, wrong
	}
	var form cursorForm
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if d.Decode(&form) != nil || form.ID != "" && !ref.ValidID(form.ID) || form.Seen < 0 || form.Upto == nil || form.Part < 0 || form.Total != nil && *form.Total < uncountedTotal {
		return cursor{}, wrong
	}
	if _, err := d.Token(); err != io.EOF {
		return cursor{}, wrong
	}
	c := cursor{
		after: place{severity: form.Severity, id: form.ID}, seen: form.Seen, now: time.Unix(form.Now, 0).UTC(), upto: form.Upto, part: form.Part, total: form.Total,
	}
	if form.Micros != nil {
		c.after.at = time.UnixMicro(*form.Micros).UTC()
	}
	return c, nil
}
