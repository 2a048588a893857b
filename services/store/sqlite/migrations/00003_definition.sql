-- +goose Up

-- Every scoring key that was ever in force, so that none is changed under its version.
CREATE TABLE definition (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    version TEXT NOT NULL,
    hash TEXT NOT NULL,
    -- The whole definition as JSON.
    body BLOB NOT NULL,
    PRIMARY KEY (tenant, id, version)
);
