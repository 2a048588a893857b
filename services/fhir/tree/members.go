package tree

import (
	"bytes"
	"strings"
)

// fewMembers is up to how many members duplicates are found by comparing each with each.
const fewMembers = 16

// members judges an object as a whole: no name twice, and nulls only where a twin array explains them.
func (p *parser) members(at, count int) {
	if count <= fewMembers {
		p.fewDuplicates(at)
	} else {
		p.manyDuplicates(at)
	}
	if p.loose {
		return
	}
	nodes := p.doc.nodes
	for i := at + 1; i < len(nodes); i += int(nodes[i].size) {
		if nodes[i].nulls {
			p.twins(at, Node{&p.doc, i})
		}
	}
}

func (p *parser) fewDuplicates(at int) {
	nodes := p.doc.nodes
	end := len(nodes)
	var firsts [fewMembers]int
	known := 0
	for i := at + 1; i < end; i += int(nodes[i].size) {
		for _, j := range firsts[:known] {
			if p.sameName(&nodes[i], &nodes[j]) {
				p.twice(i)
				break
			}
		}
		firsts[known] = i
		known++
	}
}

func (p *parser) sameName(a, b *node) bool {
	if a.keyEscaped || b.keyEscaped {
		return p.nameOf(a) == p.nameOf(b)
	}
	if a.keyEnd-a.keyStart != b.keyEnd-b.keyStart {
		return false
	}
	return bytes.Equal(p.doc.raw[a.keyStart:a.keyEnd], p.doc.raw[b.keyStart:b.keyEnd])
}

func (p *parser) manyDuplicates(at int) {
	nodes := p.doc.nodes
	seen := make(map[string]struct{}, fewMembers)
	for i := at + 1; i < len(nodes) && len(p.problems) < mostProblems; i += int(nodes[i].size) {
		name := p.nameOf(&nodes[i])
		if _, twice := seen[name]; twice {
			p.twice(i)
		}
		seen[name] = struct{}{}
	}
}

func (p *parser) nameOf(n *node) string {
	if n.keyEscaped {
		return unquote(p.doc.raw[n.keyStart-1 : n.keyEnd+1])
	}
	return string(p.doc.raw[n.keyStart:n.keyEnd])
}

func (p *parser) twice(at int) {
	p.report(int(p.doc.nodes[at].keyStart)-1, at, "structure", "the member is given twice")
}

// twins judges an array with nulls: it must be one of primitives (or the `_` twin of one), its twin must be as long,
// and no place may be null in both.
func (p *parser) twins(object int, array Node) {
	name := array.Key()
	other, extensions := strings.CutPrefix(name, "_")
	if !extensions {
		other = "_" + name
	}
	nodes := p.doc.nodes
	twin := (Node{&p.doc, object}).Child(other)
	if twin.Kind() != Array || twin.Len() != array.Len() {
		p.report(int(nodes[array.at].start), array.at, "structure",
			"null may stand only in an array of primitives beside an array of the same length called `"+string(pathName([]byte(other)))+"`")
		return
	}
	i, j := array.at+1, twin.at+1
	for end := array.at + int(nodes[array.at].size); i < end; i, j = i+int(nodes[i].size), j+int(nodes[j].size) {
		switch kind := nodes[i].kind; {
		case kind == Null && nodes[j].kind == Null:
			p.report(int(nodes[i].start), i, "structure", "null stands here in the array and in its twin")
			return
		case kind == Object && !extensions:
			p.report(int(nodes[i].start), i, "structure", "null may stand only in an array of primitives")
			return
		}
	}
}
