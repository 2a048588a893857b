-- +goose Up

-- The keys that rows are sealed with, each wrapped by a master key that is kept elsewhere.
CREATE TABLE data_key (
    id INTEGER NOT NULL PRIMARY KEY,
    -- The name of the master key.
    master TEXT NOT NULL,
    wrapped BLOB NOT NULL,
    created_us INTEGER NOT NULL
);
