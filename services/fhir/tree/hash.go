package tree

import (
	"crypto/sha256"
	"hash"
)

// Hash is the SHA-256 of the document without insignificant white space. The order of members and the text of
// numbers and strings count, so two bodies with one hash say the same thing in the same words.
func (d *Doc) Hash() [32]byte {
	raw := d.Raw()
	if !d.spaced {
		return sha256.Sum256(raw)
	}
	return sha256.Sum256(compact(raw))
}

// Content is the SHA-256 of what the document says: as Hash, but without the top-level meta.versionId and
// meta.lastUpdated, which a sender changes without saying anything else. A meta that holds nothing but these two
// counts as none.
func (d *Doc) Content() [32]byte {
	stamps := d.stamps()
	if len(stamps) == 0 {
		return d.Hash()
	}
	raw, base := d.Raw(), int(d.nodes[0].start)
	h := sha256.New()
	from := 0
	for _, s := range stamps {
		d.digest(h, raw[from:s.start-base])
		from = s.end - base
	}
	d.digest(h, raw[from:])
	return [32]byte(h.Sum(nil))
}

// digest hashes a stretch that begins and ends outside strings.
func (d *Doc) digest(h hash.Hash, raw []byte) {
	if d.spaced {
		raw = compact(raw)
	}
	h.Write(raw)
}

// stamps are where the members stand that the sender's store sets.
func (d *Doc) stamps() []span {
	meta := d.Root().Child("meta")
	version, updated := meta.Child("versionId"), meta.Child("lastUpdated")
	set := 0
	for _, n := range [2]Node{version, updated} {
		if n.Exists() {
			set++
		}
	}
	switch {
	case set == 0:
		return nil
	case set == meta.Len():
		return d.cut(d.Root(), func(n Node) bool { return n == meta })
	}
	return d.cut(meta, func(n Node) bool { return n == version || n == updated })
}

// begin is where a member begins with its name, or an element.
func (d *Doc) begin(n Node) int {
	m := &d.nodes[n.at]
	if n.Parent().Kind() == Object {
		return int(m.keyStart) - 1
	}
	return int(m.start)
}

// cut is what to leave out so that an object or array loses what drop names in it, with a comma for each.
func (d *Doc) cut(object Node, drop func(Node) bool) (out []span) {
	kept := -1 // the end of the last member that stays
	for n := object.First(); n.Exists(); n = n.Next() {
		if !drop(n) {
			kept = int(d.nodes[n.at].end)
			continue
		}
		s := span{start: d.begin(n), end: int(d.nodes[n.at].end)}
		last := n
		for next := n.Next(); next.Exists() && drop(next); next = next.Next() {
			last = next
		}
		n = last
		switch next := last.Next(); {
		case next.Exists():
			s.end = d.begin(next)
		case kept >= 0:
			s.start, s.end = kept, int(d.nodes[last.at].end)
		default:
			s.end = int(d.nodes[last.at].end)
		}
		out = append(out, s)
	}
	return out
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
