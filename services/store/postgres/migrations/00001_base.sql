-- +goose Up

-- Text is compared byte by byte (COLLATE "C") everywhere, so that order does not depend on the database's locale.
-- Large columns are kept inline and uncompressed up to a page: compressing them costs more than it saves here.

-- One row per version of a resource.
CREATE TABLE resource (
    tenant text COLLATE "C" NOT NULL,
    type text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    -- Microseconds since 1970; the lowest and highest integers stand for open ends.
    from_us bigint NOT NULL,
    to_us bigint NOT NULL,
    received_us bigint NOT NULL,
    outcome smallint NOT NULL,
    current boolean NOT NULL,
    stub boolean NOT NULL,
    source text COLLATE "C" NOT NULL,
    source_id text COLLATE "C" NOT NULL,
    source_version text COLLATE "C" NOT NULL,
    hash bytea NOT NULL,
    patient text COLLATE "C" NOT NULL,
    -- JSON arrays; NULL when empty.
    codes bytea,
    issues bytea,
    raw bytea NOT NULL,
    -- The id comes first because it tells rows apart at the first comparison.
    PRIMARY KEY (tenant, id, type, version)
) WITH (toast_tuple_target = 8160);
CREATE INDEX resource_patient ON resource (tenant, patient, type, from_us DESC) WHERE current;
CREATE INDEX resource_time ON resource (tenant, type, from_us DESC) WHERE current;
-- What was stored but could not be used.
CREATE INDEX resource_unused ON resource (tenant, from_us DESC)
    WHERE current AND outcome = 2 AND issues IS NOT NULL;

-- The codes of current versions, in the order of a search.
CREATE TABLE resource_code (
    tenant text COLLATE "C" NOT NULL,
    type text COLLATE "C" NOT NULL,
    code text COLLATE "C" NOT NULL,
    from_us bigint NOT NULL,
    id text COLLATE "C" NOT NULL,
    system text COLLATE "C" NOT NULL
);
CREATE UNIQUE INDEX resource_code_place ON resource_code (tenant, type, code, from_us DESC, id, system);

CREATE TABLE patient_alias (
    tenant text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    patient text COLLATE "C" NOT NULL,
    source text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, name)
);

CREATE TABLE idempotency_key (
    tenant text COLLATE "C" NOT NULL,
    source text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    hash bytea NOT NULL,
    type text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    PRIMARY KEY (tenant, source, name)
);

CREATE TABLE fact (
    tenant text COLLATE "C" NOT NULL,
    episode text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    -- The version it was taken from: Type/id and its number; empty and 0 for the clock.
    source text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    -- A number made from tenant and source: a narrow index finds what a correction supersedes. NULL for the clock.
    source_key bigint,
    at_us bigint NOT NULL,
    recorded_us bigint NOT NULL,
    superseded boolean NOT NULL,
    kind text COLLATE "C" NOT NULL,
    data bytea NOT NULL,
    PRIMARY KEY (tenant, episode, id, version)
) WITH (toast_tuple_target = 8160);
CREATE INDEX fact_source ON fact (source_key) WHERE source_key IS NOT NULL AND NOT superseded;

-- Room is left on each page, so that a new state lands on the page of the old one, and no index
-- is written while the slot stays the same.
CREATE TABLE episode (
    tenant text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    patient text COLLATE "C" NOT NULL,
    deadline_us bigint,
    -- The quarter of an hour in which the deadline falls, counted from 1970.
    slot bigint,
    state bytea NOT NULL,
    PRIMARY KEY (tenant, id)
) WITH (toast_tuple_target = 8160, fillfactor = 70);
CREATE INDEX episode_due ON episode (tenant, slot) WHERE slot IS NOT NULL;

CREATE TABLE alert (
    tenant text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    episode text COLLATE "C" NOT NULL,
    patient text COLLATE "C" NOT NULL,
    rule text COLLATE "C" NOT NULL,
    status text COLLATE "C" NOT NULL,
    severity smallint NOT NULL,
    effective_us bigint NOT NULL,
    version bigint NOT NULL,
    data bytea NOT NULL,
    PRIMARY KEY (tenant, id)
) WITH (toast_tuple_target = 8160);
CREATE INDEX alert_episode ON alert (tenant, episode);
CREATE INDEX alert_patient ON alert (tenant, patient, severity DESC, effective_us DESC, id);
CREATE INDEX alert_place ON alert (tenant, severity DESC, effective_us DESC, id);
CREATE INDEX alert_live ON alert (tenant, severity DESC, effective_us DESC, id)
    WHERE status IN ('open', 'acknowledged');

CREATE TABLE event (
    tenant text COLLATE "C" NOT NULL,
    feed text COLLATE "C" NOT NULL,
    seq bigint NOT NULL,
    tenant_seq bigint NOT NULL,
    time_us bigint NOT NULL,
    id text COLLATE "C" NOT NULL,
    type text COLLATE "C" NOT NULL,
    subject text COLLATE "C" NOT NULL,
    data bytea,
    PRIMARY KEY (tenant, feed, seq)
) WITH (toast_tuple_target = 8160);

-- The numbers of the oldest event kept and of the newest event of each feed. The row of the feed `all` is what the
-- writers of a tenant queue at.
CREATE TABLE feed (
    tenant text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    first bigint NOT NULL,
    last bigint NOT NULL,
    PRIMARY KEY (tenant, name)
) WITH (fillfactor = 20);

-- PostgreSQL 15 sets the storage of a column only afterwards.
ALTER TABLE resource ALTER COLUMN raw SET STORAGE EXTERNAL;
ALTER TABLE fact ALTER COLUMN data SET STORAGE EXTERNAL;
ALTER TABLE episode ALTER COLUMN state SET STORAGE EXTERNAL;
ALTER TABLE alert ALTER COLUMN data SET STORAGE EXTERNAL;
ALTER TABLE event ALTER COLUMN data SET STORAGE EXTERNAL;
