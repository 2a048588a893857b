// Package services is the map of the rooms, in the order in which the data walks through them.
//
// The pure core, a staircase (a room sees only the rooms above it):
//
//	domain/fault        the one error the house speaks: a kind and located issues
//	domain/ref          typed names: tenant, source, patient, episode, clinician, care team, resource
//	domain/record       one version of one resource as it was received
//	domain/feed         a feed's name, its events, a cursor into it
//	domain/access       who asks, and whether they may: scopes, grants, consents, and what each door wants
//	domain/audit        the record of every access, and the chain that shows when one was changed
//	domain/instrument   questionnaires as data, with their packs and the registry
//	domain/response     an answered form bound to its instrument, or every issue
//	domain/form         a questionnaire as it was asked, and whether an answered one keeps to it
//	domain/score        scores, the items used, and why something is not scorable
//	domain/fact         one dated thing that happened; the order of facts
//	domain/trend        what the difference of two values amounts to: reliable, important, band
//	domain/adherence    what was prescribed, what was done, and the windows between
//	domain/alliance     dyads, their sessions, ruptures and repairs
//	domain/distress     the profile on the common ladder
//	domain/function     what a person can do, and when nothing has changed for long
//	domain/engagement   the signs that somebody drops out of care, as a table of points
//	domain/episode      the state that facts fold into; replay and deadline
//	domain/judge        rules over before and after; findings
//	domain/alert        a finding that is being handled, and the table of its life
//	domain/subscription who wants to be told by FHIR subscription, of what and how; which events that is
//	domain/decision     the whole judgement of one input, still pure
//
// In, from the wire to a durable outcome:
//
//	fhir/tree           lossless strict JSON with paths
//	fhir/path           FHIRPath behind checks; the formulas of questionnaires
//	fhir                FHIR R4 to the domain and back; OperationOutcome
//	fhir/search         what a resource is found by, and whether it meets a search
//	rules               YAML and CEL to rules; the default set and its tests
//	wire                protobuf to the domain and back; a fault to a gRPC status
//	store               the port to durable memory; storetest holds its answers to it
//	store/sealed        rows encrypted under data keys, data keys under a master key that is kept elsewhere
//	store/rows          the flat form in which both answers keep what was decided
//	store/postgres      the shared answer
//	store/sqlite        the embedded answer
//	catalogue           every instrument, form and map of a clinic; a reading to its scores
//	auth                the gate of every door: a token to a principal, what they may, how much at once, and the audit of it
//	commit              group commit: many submissions, one transaction, each alone in its failure
//	ingest              IngestService; Accept, which every door calls
//	deadlines           a passed deadline becomes a fact
//
// Out, from the commit to a reader:
//
//	watch               follow a feed: replay from the store, then live; watchtest holds its promises
//	relay/embedded      the Redis protocol in process
//	relay               feeds to Redis Streams, in order, under a lease
//	scoring             ScoringService: instruments, and scores without storing
//	outcomes            OutcomeService: states, scores, explanations
//	alerts              AlertService: subscribe, list, acknowledge, resolve
//	rest                FHIR REST
//	subscriptions       FHIR Subscriptions: made, shaken hands with, told, and SubscriptionService
//	bulk                Bulk Data $export, and $import as a back-fill
//	cds                 CDS Hooks: cards from the episode state, and what became of them
//
// Round them:
//
//	simulate            synthetic clinics whose truth is known
//	rehearse            simulated clinics and stored history played through the rules; what was found, against the truth
//	server              wires every room, starts and stops them; the import law is its test
//	bench               load, floor and chaos runs
//	testbed             private PostgreSQL and Redis servers for tests and bench; official FHIR examples and a validator
//
// Names kept for rooms that have no work yet: domain/packet,
// domain/measure, conference, analytics and analytics/export, board and board/chart.
//
// A new room brings its line here and its row in server/law_test.go.
package services
