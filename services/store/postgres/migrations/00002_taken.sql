-- +goose Up

-- What is derived from a resource is found by the number of its source also when it no longer counts. Since the index
-- holds superseded facts too, superseding one writes no index.
DROP INDEX fact_source;
CREATE INDEX fact_source ON fact (source_key) WHERE source_key IS NOT NULL;
