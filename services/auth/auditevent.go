package auth

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/rapport-health/rapport/services/domain/audit"
	"github.com/rapport-health/rapport/services/domain/ref"
)

// The systems of codes in an AuditEvent of IHE BALP.
const (
	systemEventType    = "http://terminology.hl7.org/CodeSystem/audit-event-type"
	systemInteraction  = "http://hl7.org/fhir/restful-interaction"
	systemDCM          = "http://dicom.nema.org/resources/ontology/DCM"
	systemParticipant  = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
	systemEntityType   = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
	systemObjectRole   = "http://terminology.hl7.org/CodeSystem/object-role"
	systemActReason    = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
	systemSourceType   = "http://terminology.hl7.org/CodeSystem/security-source-type"
	systemBalpEntity   = "https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType"
	profileBasicAudit  = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit."
	policyTokenPrefix  = "urn:ietf:params:oauth:jti:"
	purposeOfBreakGlas = "BTG"
)

type object = map[string]any

// eventID is the id of one AuditEvent of a record: a record of an access to several patients has one for each.
func eventID(seq int64, patient int) string { return fmt.Sprintf("a%d-%d", seq, patient) }

// parseEventID reads what eventID wrote.
func parseEventID(id string) (seq int64, patient int, ok bool) {
	number, index, found := strings.Cut(strings.TrimPrefix(id, "a"), "-")
	seq, err := strconv.ParseInt(number, 10, 64)
	patient, err2 := strconv.Atoi(index)
	return seq, patient, found && strings.HasPrefix(id, "a") && err == nil && err2 == nil && seq > 0 && patient >= 0
}

// eventsOf are the AuditEvents of a record.
func eventsOf(seq int64, e audit.Entry) []object {
	if len(e.Patients) == 0 {
		return []object{eventOf(seq, 0, e, "")}
	}
	events := make([]object, len(e.Patients))
	for i, p := range e.Patients {
		events[i] = eventOf(seq, i, e, p)
	}
	return events
}

// eventOf is an access to one patient, or to none, as an AuditEvent of IHE BALP 1.1.
func eventOf(seq int64, index int, e audit.Entry, patient ref.Patient) object {
	event := object{
		"resourceType": "AuditEvent", "id": eventID(seq, index),
		"meta":     object{"profile": []string{profileBasicAudit + profileOf(e, patient)}, "versionId": "1", "lastUpdated": e.At.Format(time.RFC3339Nano)},
		"type":     coded(systemEventType, "rest", "RESTful Operation"),
		"action":   e.Action,
		"recorded": e.At.Format(time.RFC3339Nano),
		"outcome":  string(e.Outcome), "outcomeDesc": e.Status,
		"agent":  agentsOf(e),
		"source": object{"observer": object{"display": "Rapport"}, "type": []object{coded(systemSourceType, "4", "Application Server")}},
		"entity": entitiesOf(e, patient),
	}
	if e.Interaction != "" {
		event["subtype"] = []object{coded(systemInteraction, e.Interaction, "")}
	}
	if e.Purpose != "" {
		event["purposeOfEvent"] = purposesOf(e)
	}
	return event
}

// profileOf is the last part of the profile's name.
func profileOf(e audit.Entry, patient ref.Patient) string {
	name := map[string]string{"C": "Create", "R": "Read", "U": "Update", "D": "Delete"}[e.Action]
	if name == "" {
		name = "Query"
	}
	if patient != "" {
		name = "Patient" + name
	}
	return name
}

func purposesOf(e audit.Entry) []object {
	purposes := []object{{"coding": []object{coded(systemActReason, e.Purpose, "")}}}
	if e.Broken == "" {
		return purposes
	}
	purposes = append(purposes, object{"coding": []object{coded(systemActReason, purposeOfBreakGlas, "break the glass")}})
	if e.Broken != purposeOfBreakGlas {
		purposes = append(purposes, object{"coding": []object{coded(systemActReason, e.Broken, "")}})
	}
	return purposes
}

// agentsOf are the client, this server, and who asked. Data flows from the client to the server, but for a read.
func agentsOf(e audit.Entry) []object {
	source, destination := coded(systemDCM, "110153", "Source Role ID"), coded(systemDCM, "110152", "Destination Role ID")
	client := object{"requestor": false, "type": codings(source), "who": object{"display": orUnknown(e.Client)}}
	server := object{"requestor": false, "type": codings(destination), "who": object{"display": "Rapport"}}
	switch e.Action {
	case "R":
		client["type"], server["type"] = codings(destination), codings(source)
	case "D":
		client["type"] = codings(coded(systemDCM, "110150", "Application"))
		server["type"] = codings(coded(systemParticipant, "CST", "custodian"))
	}
	if e.Address != "" {
		client["network"] = object{"address": e.Address, "type": "2"}
	}
	user := object{"requestor": true, "type": codings(coded(systemParticipant, "IRCP", "information recipient"))}
	switch {
	case e.Person != "":
		user["who"] = object{"reference": e.Person}
	default:
		user["who"] = object{"identifier": object{"value": orUnknown(e.Client)}, "display": orUnknown(e.Client)}
	}
	if e.Role != "" {
		user["role"] = []object{{"text": e.Role}}
	}
	if e.Token != "" {
		user["policy"] = []string{policyTokenPrefix + e.Token}
	}
	if e.Purpose != "" {
		user["purposeOfUse"] = purposesOf(e)
	}
	return []object{client, server, user}
}

func entitiesOf(e audit.Entry, patient ref.Patient) []object {
	var out []object
	if patient != "" {
		out = append(out, object{
			"what": object{"reference": patient.Reference()}, "type": coded(systemEntityType, "1", "Person"), "role": coded(systemObjectRole, "1", "Patient"),
		})
	}
	for _, thing := range e.Things {
		if thing != patient.Reference() {
			out = append(out, object{
				"what": object{"reference": thing}, "type": coded(systemEntityType, "2", "System Object"), "role": coded(systemObjectRole, "4", "Domain Resource"),
			})
		}
	}
	if e.Action == "E" {
		query := e.Query
		if query == "" {
			query = e.Method
		}
		out = append(out, object{
			"type": coded(systemEntityType, "2", "System Object"), "role": coded(systemObjectRole, "24", "Query"),
			"query": base64.StdEncoding.EncodeToString([]byte(query)),
		})
	}
	return append(out, object{
		"what": object{"identifier": object{"value": e.Request}}, "type": coded(systemBalpEntity, "XrequestId", ""),
	})
}

func coded(system, code, display string) object {
	c := object{"system": system, "code": code}
	if display != "" {
		c["display"] = display
	}
	return c
}

func codings(of ...object) object { return object{"coding": of} }

func orUnknown(name string) string {
	if name == "" {
		return "unknown"
	}
	return name
}

func encoded(v any) json.RawMessage {
	text, err := json.Marshal(v)
	if err != nil {
		return json.RawMessage("null") // maps of texts always marshal
	}
	return text
}
