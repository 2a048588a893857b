-- +goose Up

-- Long work that goes on after a restart.
CREATE TABLE job (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    kind TEXT NOT NULL,
    done INTEGER NOT NULL,
    created_us INTEGER NOT NULL,
    expires_us INTEGER,
    version INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX job_order ON job (done, created_us);

-- The number of the tenant's last event at the moments that were given to clients as the time of an export.
CREATE TABLE moment (
    tenant TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (tenant, at_ms)
) WITHOUT ROWID;
