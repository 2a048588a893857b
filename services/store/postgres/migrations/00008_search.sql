-- +goose Up

-- The number of the tenant's last event when a version was stored: by it versions are listed in the order in which they
-- were committed, and a search can go on where it stood. What is here already keeps its order, at 0 and below.
ALTER TABLE resource ADD COLUMN seq bigint NOT NULL DEFAULT 0;
UPDATE resource r SET seq = n.n FROM (
    SELECT tenant, id, type, version, row_number() OVER w - count(*) OVER (PARTITION BY tenant) AS n
    FROM resource WINDOW w AS (PARTITION BY tenant ORDER BY received_us, id, type, version)
) n WHERE n.tenant = r.tenant AND n.id = r.id AND n.type = r.type AND n.version = r.version;
-- The tenant stands there in a form of its own: a planner without statistics would take an index of tenant and type for
-- the narrowest way to a resource of a known id.
CREATE INDEX resource_seq ON resource ((tenant || ''), type, seq DESC);
-- What is still to be entered into the index of searches.
CREATE INDEX resource_unmarked ON resource (tenant, seq) WHERE seq <= 0;

-- What is about a patient is found by both ends of its time without a look at the rows, which lie far apart.
DROP INDEX resource_patient;
CREATE INDEX resource_patient ON resource (tenant, patient, type, from_us DESC, to_us) WHERE current;

-- The index of searches: numbers made from tenant, type, parameter and value. An entry is a hint: what it leads to is
-- looked at again, so one that no longer holds does no harm and is never deleted.
CREATE TABLE search_mark (
    key bigint NOT NULL,
    from_us bigint NOT NULL,
    id text COLLATE "C" NOT NULL
);
CREATE UNIQUE INDEX search_mark_place ON search_mark (key, from_us DESC, id);

-- How far the index was filled with what was there before it.
CREATE TABLE search_filled (
    tenant text COLLATE "C" NOT NULL PRIMARY KEY,
    seq bigint NOT NULL
);
