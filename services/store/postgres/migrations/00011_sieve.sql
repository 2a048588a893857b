-- +goose Up

-- Bits of what a resource belongs to, such as its category; -1 has all of them and stands for what was stored before. By
-- them most of what is no match is left out before it is sent to the server.
ALTER TABLE resource ADD COLUMN sieve bigint NOT NULL DEFAULT -1;
