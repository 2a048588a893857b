package instrument

import (
	"encoding/json"

	"github.com/rapport-health/rapport/services/domain/fault"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// Clone is a copy of the facts of a definition that may be changed, to be made whole again by Make.
// Errors: Internal, for numbers that JSON cannot hold.
func (d *Definition) Clone() (Definition, error) {
	data, err := json.Marshal(d)
	if err != nil {
		return Definition{}, fault.Wrap(fault.Internal, err, "copy an instrument")
	}
	var out Definition
	if err := json.Unmarshal(data, &out); err != nil {
		return Definition{}, fault.Wrap(fault.Internal, err, "copy an instrument")
	}
	out.Hash = d.Hash
	return out, nil
}

// Digest of the facts of a definition together with what else it rests on: the same facts, the same digest.
func (d *Definition) Digest(rest ...string) (string, error) {
	data, err := json.Marshal(d)
	if err != nil {
		return "", fault.Wrap(fault.Internal, err, "digest an instrument")
	}
	return ref.Digest(append([]string{"instrument", string(data)}, rest...)...), nil
}

// Restore is a definition that was kept as its Body, with the hash that it had; nil for one that this program does not
// read any more.
func Restore(body []byte, hash string) *Definition {
	d := new(Definition)
	if json.Unmarshal(body, d) != nil || len(d.compile(true)) > 0 {
		return nil
	}
	d.Hash = hash
	return d
}
