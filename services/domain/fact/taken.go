package fact

import (
	"time"

	"github.com/rapport-health/rapport/services/domain/ref"
)

// Taken is a fact that was taken from a resource at some time, and what has become of it.
type Taken struct {
	Fact
	// Episode it belongs to.
	Episode ref.Episode
	// Superseded says that it no longer counts: from the version of its source that follows Source.Version, other facts
	// were taken or none.
	Superseded bool
}

// Page asks for some of the facts of an episode that count, in the order of their keys.
type Page struct {
	// Kinds of facts; none is every kind.
	Kinds []Kind
	// From is the first moment asked for and Until the first one not asked for any more; zero where open.
	From, Until time.Time
	// After is the key of the last fact of the page before; nil for the first page.
	After *Key
	// Newest says that the last facts come first.
	Newest bool
	// Max bounds the page, at least 1.
	Max int
}
