package rows

import "strings"

// unite keeps under patient :3 what was kept under patient :2 of tenant :1. Of earlier versions those are moved whose
// current version is.
var unite = [...]string{
	`UPDATE resource SET patient = :3 WHERE tenant = :1 AND patient = :2 AND NOT current AND (id, type) IN (
		SELECT r.id, r.type FROM resource r WHERE r.tenant = :1 AND r.patient = :2 AND r.current)`,
	`UPDATE resource SET patient = :3 WHERE tenant = :1 AND patient = :2 AND current`,
	`UPDATE patient_alias SET patient = :3 WHERE tenant = :1 AND patient = :2`,
	`UPDATE fact SET episode = :3 WHERE tenant = :1 AND episode = :2`,
	`DELETE FROM episode WHERE tenant = :1 AND id = :2 AND id <> :3`,
}

// Unite are the statements that keep under one patient what was kept under another, to be run in order. Their parameters
// are the tenant, the patient that was, and the patient to be.
func Unite(mark Mark) []string {
	texts := make([]string, len(unite))
	for i, text := range unite {
		texts[i] = strings.ReplaceAll(text, ":", string(rune(mark)))
	}
	return texts
}
