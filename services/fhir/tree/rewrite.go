package tree

import (
	"regexp"
	"strings"
)

// Rewrite is a copy of the document in which every link that is a key of targets has become its value; all other bytes stay
// as they are. Links are the members called `reference`, `valueUri` and `valueUrl`, the `url` of what is neither a resource nor
// an extension (such as an Attachment), and in a narrative the href and src of its elements. Without any the document's own
// bytes come back.
func Rewrite(d *Doc, targets map[string]string) []byte {
	raw := d.Raw()
	if len(targets) == 0 {
		return raw
	}
	base := int(d.nodes[0].start)
	var edits []edit
	for i := 1; i < len(d.nodes); i++ {
		n := &d.nodes[i]
		if n.kind != String {
			continue
		}
		text := ""
		switch key := string(d.raw[n.keyStart:n.keyEnd]); {
		case key == "reference", key == "valueUri", key == "valueUrl", key == "url" && (Node{d, i}).linksFrom():
			text = targets[(Node{d, i}).Text()]
		case key == "div":
			text = relinked((Node{d, i}).Text(), targets)
		}
		if text != "" {
			edits = append(edits, edit{int(n.start) - base, int(n.end) - base, quoted(text)})
		}
	}
	if edits == nil {
		return raw
	}
	return apply(raw, edits)
}

// linksFrom says whether a `url` leads somewhere: that of a resource is its own name, and that of an extension its kind.
func (n Node) linksFrom() bool {
	within := n.Parent()
	if within.Child("resourceType").Exists() {
		return false
	}
	list := within.Parent().Key()
	return list != "extension" && list != "modifierExtension"
}

// linkForm is where an element of a narrative leads.
var linkForm = regexp.MustCompile(`(\s(?:href|src)\s*=\s*)("[^"]*"|'[^']*')`)

// relinked is a narrative whose links lead to the targets; empty when none of them does.
func relinked(div string, targets map[string]string) string {
	if !strings.Contains(div, "href") && !strings.Contains(div, "src") {
		return ""
	}
	changed := false
	out := linkForm.ReplaceAllStringFunc(div, func(link string) string {
		parts := linkForm.FindStringSubmatch(link)
		quote, to := parts[2][:1], parts[2][1:len(parts[2])-1]
		target, ok := targets[to]
		if !ok {
			return link
		}
		changed = true
		return parts[1] + quote + target + quote
	})
	if !changed {
		return ""
	}
	return out
}
