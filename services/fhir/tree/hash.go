package tree

import "crypto/sha256"

// Hash is the SHA-256 of the document without insignificant white space. The order of members and the text of
// numbers and strings count, so two bodies with one hash say the same thing in the same words.
func (d *Doc) Hash() [32]byte {
	raw := d.Raw()
	if !d.spaced {
		return sha256.Sum256(raw)
	}
	return sha256.Sum256(compact(raw))
}

// compact drops the white space outside strings of valid JSON.
func compact(raw []byte) []byte {
	out := make([]byte, 0, len(raw))
	quoted := false
	from := 0
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case !quoted && (c == ' ' || c == '\t' || c == '\r' || c == '\n'):
			out = append(out, raw[from:i]...)
			from = i + 1
		}
	}
	return append(out, raw[from:]...)
}
