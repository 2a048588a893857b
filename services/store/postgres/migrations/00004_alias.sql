-- +goose Up

-- Who turns out to be another patient takes along all names by which they were known.
CREATE INDEX patient_alias_patient ON patient_alias (tenant, patient);
