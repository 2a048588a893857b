-- +goose Up

-- The keys that rows are sealed with, each wrapped by a master key that is kept elsewhere.
CREATE TABLE data_key (
    id bigint NOT NULL PRIMARY KEY,
    -- The name of the master key.
    master text COLLATE "C" NOT NULL,
    wrapped bytea NOT NULL,
    created_us bigint NOT NULL
);
