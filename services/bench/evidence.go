package bench

// Evidence is everything that was promised under load, and everything that was found once the dust had settled.
type Evidence struct {
	// Promised are the submissions that were acknowledged as stored.
	Promised []Promise
	// Commands are the acknowledgements of alerts that were answered.
	Commands []Acknowledgement
	// Stored are the responses in the database, every version.
	Stored []Version
	// Facts in the database that were taken from responses.
	Facts []Fact
	// Alerts in the database.
	Alerts []Alert
	// Feeds as the database holds them.
	Feeds []Feed
	// Readings are what each reader got of a feed, in the order it got it.
	Readings []Reading
}

// Promise is one submission that a client was told is stored.
type Promise struct {
	// Reference with version, such as `QuestionnaireResponse/a1/_history/2`.
	Reference string
	// Body is the digest of what was sent.
	Body string
	// Safety says that the safety item was answered, so that there must be an alert.
	Safety bool
}

// Acknowledgement is one acknowledgement of an alert that was answered.
type Acknowledgement struct {
	// Alert that was acknowledged, and the caller's idempotency key.
	Alert, Key string
}

// Version is one stored version of a response.
type Version struct {
	// Resource without version, such as `QuestionnaireResponse/a1`.
	Resource string
	// Number of the version, from 1.
	Number int64
	// Current says whether it is the newest.
	Current bool
	// Body is the digest of what is stored.
	Body string
}

// Fact is one stored fact.
type Fact struct {
	// Episode it belongs to, and its id there.
	Episode, ID string
	// Resource it was taken from, without version, and the number of that version.
	Resource string
	Number   int64
	// Superseded says that it no longer counts.
	Superseded bool
}

// Alert is one stored alert.
type Alert struct {
	// ID of the alert, and of the finding it handles.
	ID, Finding string
	// Safety alerts are raised whatever else holds.
	Safety bool
	// Retracted says that its facts were corrected, so that it is no longer true.
	Retracted bool
	// Sources are the resources behind it, without versions.
	Sources []string
	// Keys of the commands in its history, in order.
	Keys []string
}

// Feed is one feed in the database.
type Feed struct {
	// Name of the feed; All is the tenant's own.
	Name string
	// Last is the number that its counter says was given last.
	Last int64
	// Entries in the order of their numbers.
	Entries []Entry
}

// Entry is one event as it stands in a feed.
type Entry struct {
	// Seq is its number in the feed.
	Seq int64
	// TenantSeq is its number in the tenant's own feed.
	TenantSeq int64
	// ID is the same in every feed and at every delivery.
	ID string
	// Type such as `alert.opened`.
	Type string
	// About is what it tells of: of a submission its reference with version, of an alert its id.
	About string
}

// Reading is what one reader got of one feed.
type Reading struct {
	// Reader in words, and the feed it read.
	Reader, Feed string
	// Repeats says that the reader may get an event again and tells by its number, as in a consumer group.
	Repeats bool
	// Entries in the order they came. About may be empty.
	Entries []Entry
}

// all is the feed in which the tenant numbers every event.
const all = "all"
