-- +goose Up

-- Who wants to be told by FHIR subscription. The feed of one is subscription:<id>.
CREATE TABLE subscription (
    tenant text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    deleted boolean NOT NULL,
    data bytea NOT NULL,
    PRIMARY KEY (tenant, id)
);

-- Counts the commits that changed a tenant's subscriptions; it lies beside the numbers that every commit reads.
ALTER TABLE feed ADD COLUMN subscriptions bigint NOT NULL DEFAULT 0;

-- How far each was told. Times are microseconds since 1970, 0 for none.
CREATE TABLE delivery (
    tenant text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    delivered bigint NOT NULL,
    attempts bigint NOT NULL,
    next_us bigint NOT NULL,
    told_us bigint NOT NULL,
    failure text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, id)
);

-- What an endpoint would not take.
CREATE TABLE dead_letter (
    tenant text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    seq bigint NOT NULL,
    at_us bigint NOT NULL,
    attempts bigint NOT NULL,
    failure text COLLATE "C" NOT NULL,
    again boolean NOT NULL,
    PRIMARY KEY (tenant, id, seq)
);
