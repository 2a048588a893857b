-- +goose Up

-- The systems that are registered to ask for tokens.
CREATE TABLE client (
    id TEXT NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    -- The whole registration as JSON.
    data BLOB NOT NULL
) WITHOUT ROWID;

-- The assertions that were used, until they expire: none counts twice.
CREATE TABLE client_assertion (
    client TEXT NOT NULL,
    jti TEXT NOT NULL,
    until_us INTEGER NOT NULL,
    PRIMARY KEY (client, jti)
) WITHOUT ROWID;
CREATE INDEX client_assertion_until ON client_assertion (until_us);

-- The keys that sign access tokens.
CREATE TABLE signing_key (
    id TEXT NOT NULL PRIMARY KEY,
    created_us INTEGER NOT NULL,
    -- PKCS #8.
    data BLOB NOT NULL
) WITHOUT ROWID;

-- Every access and every refusal, numbered from 1 in each tenant; each hash covers the one before.
CREATE TABLE audit (
    tenant TEXT NOT NULL,
    seq INTEGER NOT NULL,
    at_us INTEGER NOT NULL,
    hash BLOB NOT NULL,
    -- The entry as JSON, as it was hashed.
    data BLOB NOT NULL,
    PRIMARY KEY (tenant, seq)
) WITHOUT ROWID;
CREATE INDEX audit_time ON audit (tenant, at_us);

CREATE TABLE audit_patient (
    tenant TEXT NOT NULL,
    patient TEXT NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (tenant, patient, seq)
) WITHOUT ROWID;

CREATE TABLE audit_head (
    tenant TEXT NOT NULL PRIMARY KEY,
    seq INTEGER NOT NULL,
    hash BLOB NOT NULL
) WITHOUT ROWID;

-- +goose StatementBegin
CREATE TRIGGER audit_stays BEFORE UPDATE ON audit BEGIN SELECT raise(ABORT, 'the audit is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER audit_is_kept BEFORE DELETE ON audit BEGIN SELECT raise(ABORT, 'the audit is append-only'); END;
-- +goose StatementEnd
