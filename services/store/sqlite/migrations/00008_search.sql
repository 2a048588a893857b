-- +goose Up

-- The number of the tenant's last event when a version was stored: by it versions are listed in the order in which they
-- were committed, and a search can go on where it stood. What is here already keeps its order, at 0 and below.
ALTER TABLE resource ADD COLUMN seq INTEGER NOT NULL DEFAULT 0;
UPDATE resource SET seq = rowid - (SELECT max(rowid) FROM resource);
CREATE INDEX resource_seq ON resource (tenant, type, seq DESC);
-- What is still to be entered into the index of searches.
CREATE INDEX resource_unmarked ON resource (tenant, seq) WHERE seq <= 0;

-- What is about a patient is found by both ends of its time without a look at the rows, which lie far apart.
DROP INDEX resource_patient;
CREATE INDEX resource_patient ON resource (tenant, patient, type, from_us DESC, to_us) WHERE current;

-- The index of searches: numbers made from tenant, type, parameter and value. An entry is a hint: what it leads to is
-- looked at again, so one that no longer holds does no harm and is never deleted.
CREATE TABLE search_mark (
    key INTEGER NOT NULL,
    from_us INTEGER NOT NULL,
    id TEXT NOT NULL,
    PRIMARY KEY (key, from_us DESC, id)
) WITHOUT ROWID;

-- How far the index was filled with what was there before it.
CREATE TABLE search_filled (
    tenant TEXT NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (tenant)
) WITHOUT ROWID;
