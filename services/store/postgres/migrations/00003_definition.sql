-- +goose Up

-- Every scoring key that was ever in force, so that none is changed under its version.
CREATE TABLE definition (
    tenant text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    version text COLLATE "C" NOT NULL,
    hash text COLLATE "C" NOT NULL,
    -- The whole definition as JSON.
    body bytea NOT NULL,
    PRIMARY KEY (tenant, id, version)
);
