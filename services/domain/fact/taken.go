package fact

import "github.com/rapport-health/rapport/services/domain/ref"

// Taken is a fact that was taken from a resource at some time, and what has become of it.
type Taken struct {
	Fact
	// Episode it belongs to.
	Episode ref.Episode
	// Superseded says that it no longer counts: from the version of its source that follows Source.Version, other facts
	// were taken or none.
	Superseded bool
}
