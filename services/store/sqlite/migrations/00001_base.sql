-- +goose Up

-- One row per version of a resource. Large columns come last, so that reading a head touches no overflow page.
CREATE TABLE resource (
    tenant TEXT NOT NULL,
    type TEXT NOT NULL,
    id TEXT NOT NULL,
    version INTEGER NOT NULL,
    current INTEGER NOT NULL,
    source TEXT NOT NULL,
    source_id TEXT NOT NULL,
    source_version TEXT NOT NULL,
    hash BLOB NOT NULL,
    patient TEXT NOT NULL,
    -- Microseconds since 1970; the lowest and highest integers stand for open ends.
    from_us INTEGER NOT NULL,
    to_us INTEGER NOT NULL,
    outcome INTEGER NOT NULL,
    stub INTEGER NOT NULL,
    received_us INTEGER NOT NULL,
    -- JSON arrays; NULL when empty.
    codes BLOB,
    issues BLOB,
    raw BLOB NOT NULL,
    PRIMARY KEY (tenant, id, type, version)
);
CREATE INDEX resource_patient ON resource (tenant, patient, type, from_us DESC) WHERE current;
CREATE INDEX resource_time ON resource (tenant, type, from_us DESC) WHERE current;
-- What was stored but could not be used.
CREATE INDEX resource_unused ON resource (tenant, from_us DESC)
    WHERE current AND outcome = 2 AND issues IS NOT NULL;

-- The codes of current versions, in the order of a search.
CREATE TABLE resource_code (
    tenant TEXT NOT NULL,
    type TEXT NOT NULL,
    code TEXT NOT NULL,
    from_us INTEGER NOT NULL,
    id TEXT NOT NULL,
    system TEXT NOT NULL,
    PRIMARY KEY (tenant, type, code, from_us DESC, id, system)
) WITHOUT ROWID;

CREATE TABLE patient_alias (
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    patient TEXT NOT NULL,
    source TEXT NOT NULL,
    PRIMARY KEY (tenant, name)
) WITHOUT ROWID;

CREATE TABLE idempotency_key (
    tenant TEXT NOT NULL,
    source TEXT NOT NULL,
    name TEXT NOT NULL,
    hash BLOB NOT NULL,
    type TEXT NOT NULL,
    id TEXT NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (tenant, source, name)
) WITHOUT ROWID;

CREATE TABLE fact (
    tenant TEXT NOT NULL,
    episode TEXT NOT NULL,
    id TEXT NOT NULL,
    -- The version it was taken from: Type/id and its number; empty and 0 for the clock.
    source TEXT NOT NULL,
    version INTEGER NOT NULL,
    -- A number made from tenant and source: a narrow index finds what a correction supersedes. NULL for the clock.
    source_key INTEGER,
    kind TEXT NOT NULL,
    at_us INTEGER NOT NULL,
    recorded_us INTEGER NOT NULL,
    superseded INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (tenant, episode, id, version)
);
CREATE INDEX fact_source ON fact (source_key) WHERE source_key IS NOT NULL AND NOT superseded;

CREATE TABLE episode (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    patient TEXT NOT NULL,
    deadline_us INTEGER,
    -- The quarter of an hour in which the deadline falls, counted from 1970.
    slot INTEGER,
    state BLOB NOT NULL,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX episode_due ON episode (tenant, slot) WHERE slot IS NOT NULL;

CREATE TABLE alert (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    episode TEXT NOT NULL,
    patient TEXT NOT NULL,
    rule TEXT NOT NULL,
    status TEXT NOT NULL,
    severity INTEGER NOT NULL,
    effective_us INTEGER NOT NULL,
    version INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX alert_episode ON alert (tenant, episode);
CREATE INDEX alert_patient ON alert (tenant, patient, severity DESC, effective_us DESC, id);
CREATE INDEX alert_place ON alert (tenant, severity DESC, effective_us DESC, id);
CREATE INDEX alert_live ON alert (tenant, severity DESC, effective_us DESC, id)
    WHERE status IN ('open', 'acknowledged');

CREATE TABLE event (
    tenant TEXT NOT NULL,
    feed TEXT NOT NULL,
    seq INTEGER NOT NULL,
    tenant_seq INTEGER NOT NULL,
    id TEXT NOT NULL,
    type TEXT NOT NULL,
    time_us INTEGER NOT NULL,
    subject TEXT NOT NULL,
    data BLOB,
    PRIMARY KEY (tenant, feed, seq)
) WITHOUT ROWID;

-- The numbers of the oldest event kept and of the newest event of each feed.
CREATE TABLE feed (
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    PRIMARY KEY (tenant, name)
) WITHOUT ROWID;
