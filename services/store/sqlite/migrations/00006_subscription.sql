-- +goose Up

-- Who wants to be told by FHIR subscription. The feed of one is subscription:<id>.
CREATE TABLE subscription (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    deleted INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (tenant, id)
) WITHOUT ROWID;

-- Counts the commits that changed a tenant's subscriptions; it lies beside the numbers that every commit reads.
ALTER TABLE feed ADD COLUMN subscriptions INTEGER NOT NULL DEFAULT 0;

-- How far each was told. Times are microseconds since 1970, 0 for none.
CREATE TABLE delivery (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    delivered INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    next_us INTEGER NOT NULL,
    told_us INTEGER NOT NULL,
    failure TEXT NOT NULL,
    PRIMARY KEY (tenant, id)
) WITHOUT ROWID;

-- What an endpoint would not take.
CREATE TABLE dead_letter (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    at_us INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    failure TEXT NOT NULL,
    again INTEGER NOT NULL,
    PRIMARY KEY (tenant, id, seq)
) WITHOUT ROWID;
