-- +goose Up

-- Long work that goes on after a restart.
CREATE TABLE job (
    tenant text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    done boolean NOT NULL,
    created_us bigint NOT NULL,
    expires_us bigint,
    version bigint NOT NULL,
    data bytea NOT NULL,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX job_order ON job (done, created_us);

-- The number of the tenant's last event at the moments that were given to clients as the time of an export.
CREATE TABLE moment (
    tenant text COLLATE "C" NOT NULL,
    at_ms bigint NOT NULL,
    seq bigint NOT NULL,
    PRIMARY KEY (tenant, at_ms)
);
