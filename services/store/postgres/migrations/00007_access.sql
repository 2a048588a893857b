-- +goose Up

-- The systems that are registered to ask for tokens.
CREATE TABLE client (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    version bigint NOT NULL,
    -- The whole registration as JSON.
    data bytea NOT NULL
);

-- The assertions that were used, until they expire: none counts twice.
CREATE TABLE client_assertion (
    client text COLLATE "C" NOT NULL,
    jti text COLLATE "C" NOT NULL,
    until_us bigint NOT NULL,
    PRIMARY KEY (client, jti)
);
CREATE INDEX client_assertion_until ON client_assertion (until_us);

-- The keys that sign access tokens.
CREATE TABLE signing_key (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    created_us bigint NOT NULL,
    -- PKCS #8.
    data bytea NOT NULL
);

-- Every access and every refusal, numbered from 1 in each tenant; each hash covers the one before.
CREATE TABLE audit (
    tenant text COLLATE "C" NOT NULL,
    seq bigint NOT NULL,
    at_us bigint NOT NULL,
    hash bytea NOT NULL,
    -- The entry as JSON, as it was hashed.
    data bytea NOT NULL,
    PRIMARY KEY (tenant, seq)
) WITH (toast_tuple_target = 8160);
CREATE INDEX audit_time ON audit (tenant, at_us);

CREATE TABLE audit_patient (
    tenant text COLLATE "C" NOT NULL,
    patient text COLLATE "C" NOT NULL,
    seq bigint NOT NULL,
    PRIMARY KEY (tenant, patient, seq)
);

CREATE TABLE audit_head (
    tenant text COLLATE "C" NOT NULL PRIMARY KEY,
    seq bigint NOT NULL,
    hash bytea NOT NULL
) WITH (fillfactor = 20);

-- +goose StatementBegin
CREATE FUNCTION audit_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit is append-only';
END
$$;
-- +goose StatementEnd
CREATE TRIGGER audit_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION audit_stays();
