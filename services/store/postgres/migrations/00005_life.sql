-- +goose Up

-- What alerts are listed, counted and swept by, beside what is in their data.
ALTER TABLE alert
    ADD COLUMN cause text COLLATE "C" NOT NULL DEFAULT '',
    -- The code of the reason for which it waits or is suppressed; empty when neither.
    ADD COLUMN because text COLLATE "C" NOT NULL DEFAULT '',
    ADD COLUMN assignee text COLLATE "C" NOT NULL DEFAULT '',
    -- Roles it is for, and people who are told: each between bars, |a|b|.
    ADD COLUMN roles text COLLATE "C" NOT NULL DEFAULT '',
    ADD COLUMN told text COLLATE "C" NOT NULL DEFAULT '',
    -- The next moment at which time alone changes it.
    ADD COLUMN due_us bigint;

UPDATE alert SET
    because = CASE WHEN status <> 'suppressed' THEN '' ELSE
        split_part(coalesce(convert_from(data, 'UTF8')::json ->> 'suppressedBecause', ''), ':', 1) END,
    roles = coalesce('|' || (
        SELECT string_agg(r, '|') FROM json_array_elements_text(convert_from(data, 'UTF8')::json -> 'roles') AS r
    ) || '|', '');

DROP INDEX alert_live;
CREATE INDEX alert_live ON alert (tenant, severity DESC, effective_us DESC, id)
    WHERE status IN ('waiting', 'open', 'acknowledged', 'snoozed');
CREATE INDEX alert_due ON alert (tenant, due_us, severity DESC, id) WHERE due_us IS NOT NULL;
CREATE INDEX alert_tally ON alert (tenant, rule, status, because, effective_us);

-- How many alerts a role of a care team was told on a day of its clinic, counted in days from 1970.
CREATE TABLE alert_told (
    tenant text COLLATE "C" NOT NULL,
    day bigint NOT NULL,
    feed text COLLATE "C" NOT NULL,
    role text COLLATE "C" NOT NULL,
    count bigint NOT NULL,
    PRIMARY KEY (tenant, day, feed, role)
);
