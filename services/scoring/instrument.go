package scoring

import (
	"context"
	"encoding/json"
	"strings"

	rapportv1 "github.com/rapport-health/rapport/api/rapport/v1"
	"github.com/rapport-health/rapport/services/auth"
	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/instrument"
	"github.com/rapport-health/rapport/services/wire"
)

// GetInstrument returns one instrument: its facts for people, and the whole definition.
func (s *Server) GetInstrument(ctx context.Context, req *rapportv1.GetInstrumentRequest) (*rapportv1.GetInstrumentResponse, error) {
	if _, err := auth.From(ctx); err != nil {
		return nil, wire.Error(err)
	}
	def, err := s.lookup(req.GetInstrument())
	if err != nil {
		return nil, wire.Error(err)
	}
	whole, err := json.Marshal(def)
	if err != nil {
		return nil, wire.Error(fault.Wrap(fault.Internal, err, "write a definition"))
	}
	resp := &rapportv1.GetInstrumentResponse{Instrument: wire.Instrument(def), Definition: whole, Sheet: Page(def)}
	for _, doubt := range def.Doubts {
		resp.Unconfirmed = append(resp.Unconfirmed, wire.Backing(def.Fact(doubt.Fact), doubt.Evidence))
	}
	return resp, nil
}

// lookup finds an instrument that a caller names. The error suggests the nearest known id.
func (s *Server) lookup(name string) (*instrument.Definition, error) {
	def, err := s.Library.Lookup(name)
	if err == nil || fault.Of(err) != fault.NotFound {
		return def, err
	}
	nearest := Nearest(name, s.Library.All())
	if nearest == "" || strings.Contains(name, "|") {
		return nil, err
	}
	return nil, fault.New(fault.NotFound, fault.Errorf("not-found", "instrument", "no instrument has this id; did you mean %s?", nearest))
}

// Nearest names the instruments that a misspelt id was probably meant to be: those that begin so, or the one that is
// only a few letters away; empty when there is none.
func Nearest(name string, among []*instrument.Definition) string {
	name = plain(name)
	if len(name) < 2 {
		return ""
	}
	var begin []string
	best, nearest := len(name)/3+1, ""
	for _, d := range among {
		id := plain(d.ID)
		if id == name {
			return d.ID
		}
		if strings.HasPrefix(id, name) {
			begin = append(begin, d.ID)
		}
		if n := fault.Distance(name, id); n < best {
			best, nearest = n, d.ID
		}
	}
	if n := len(begin); n > 0 && n <= maxMeant {
		return either(begin)
	}
	return nearest
}

// maxMeant is how many instruments are suggested at once.
const maxMeant = 4

// either joins names: `a, b or c`.
func either(names []string) string {
	last := len(names) - 1
	if last == 0 {
		return names[0]
	}
	return strings.Join(names[:last], ", ") + " or " + names[last]
}

// plain is an id in small letters without hyphens, underscores and blanks: `PHQ9` is `phq-9`.
func plain(id string) string {
	return strings.NewReplacer("-", "", "_", "", " ", "").Replace(strings.ToLower(id))
}
