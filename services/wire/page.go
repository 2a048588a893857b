package wire

import (
	"cmp"
	"encoding/base64"
	"encoding/json"

	"github.com/rapport-health/rapport/services/domain/fault"
)

// The sizes of a page.
const (
	maxPage     = 1000
	defaultPage = 100
)

// PageSize is how many entries a page has when so many were asked for; 0 asks for the usual number. Errors: Invalid.
func PageSize(asked int32) (int, error) {
	if asked < 0 || asked > maxPage {
		return 0, fault.New(fault.Invalid, fault.Errorf("value", "page_size", "ask for 1 to %d", maxPage))
	}
	return cmp.Or(int(asked), defaultPage), nil
}

// PageToken names the place at which a page ended.
func PageToken[P any](last P) string {
	data, _ := json.Marshal(last) // places are numbers, times and strings: it cannot fail
	return base64.RawURLEncoding.EncodeToString(data)
}

// Place reads a PageToken back; the empty token is the zero place, before the first page. Errors: Invalid.
func Place[P any](token string) (P, error) {
	var place P
	if token == "" {
		return place, nil
	}
	data, err := base64.RawURLEncoding.DecodeString(token)
	if err == nil {
		err = json.Unmarshal(data, &place)
	}
	if err != nil {
		return place, fault.New(fault.Invalid, fault.Errorf("value", "page_token", "not a token of an earlier page"))
	}
	return place, nil
}
