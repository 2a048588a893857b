-- +goose Up

-- Bits of what a resource belongs to, such as its category; -1 has all of them and stands for what was stored before. They
-- lie in the index of what is about a patient, so that what is no match is mostly left out without a look at the rows.
ALTER TABLE resource ADD COLUMN sieve INTEGER NOT NULL DEFAULT -1;
DROP INDEX resource_patient;
CREATE INDEX resource_patient ON resource (tenant, patient, type, from_us DESC, to_us, sieve) WHERE current;
