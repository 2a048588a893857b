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
// It is made of what is stored, so the next page is the same whatever came in meanwhile.
type place struct {
	severity uint8
	at       time.Time
	id       string
}

func (p place) compare(other place) int {
	return cmp.Or(cmp.Compare(other.severity, p.severity), other.at.Compare(p.at), cmp.Compare(p.id, other.id))
}

// cursor is where the next page of a search begins, and what it must know of the pages before.
type cursor struct {
	after place
	// seen counts the matches before.
	seen int
	// now is the moment of the first page.
	now time.Time
}

// cursorForm is the cursor inside of the opaque parameter.
type cursorForm struct {
	Severity uint8  `json:"s,omitempty"`
	Micros   *int64 `json:"t,omitempty"`
	ID       string `json:"i"`
	Seen     int    `json:"n"`
	Now      int64  `json:"w"`
}

func (c cursor) String() string {
	form := cursorForm{Severity: c.after.severity, ID: c.after.id, Seen: c.seen, Now: c.now.Unix()}
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
	if d.Decode(&form) != nil || !ref.ValidID(form.ID) || form.Seen < 0 {
		return cursor{}, wrong
	}
	if _, err := d.Token(); err != io.EOF {
		return cursor{}, wrong
	}
	c := cursor{after: place{severity: form.Severity, id: form.ID}, seen: form.Seen, now: time.Unix(form.Now, 0).UTC()}
	if form.Micros != nil {
		c.after.at = time.UnixMicro(*form.Micros).UTC()
	}
	return c, nil
}
