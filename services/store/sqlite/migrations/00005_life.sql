-- +goose Up

-- What alerts are listed, counted and swept by, beside what is in their data.
ALTER TABLE alert ADD COLUMN cause TEXT NOT NULL DEFAULT '';
-- The code of the reason for which it waits or is suppressed; empty when neither.
ALTER TABLE alert ADD COLUMN because TEXT NOT NULL DEFAULT '';
ALTER TABLE alert ADD COLUMN assignee TEXT NOT NULL DEFAULT '';
-- Roles it is for, and people who are told: each between bars, |a|b|.
ALTER TABLE alert ADD COLUMN roles TEXT NOT NULL DEFAULT '';
ALTER TABLE alert ADD COLUMN told TEXT NOT NULL DEFAULT '';
-- The next moment at which time alone changes it.
ALTER TABLE alert ADD COLUMN due_us INTEGER;

UPDATE alert SET
    because = CASE WHEN status <> 'suppressed' THEN '' ELSE
        substr(coalesce(CAST(data AS TEXT) ->> '$.suppressedBecause', ''), 1,
            instr(coalesce(CAST(data AS TEXT) ->> '$.suppressedBecause', '') || ':', ':') - 1) END,
    roles = coalesce('|' || (SELECT group_concat(r.value, '|') FROM json_each(CAST(data AS TEXT), '$.roles') r) || '|', '');

DROP INDEX alert_live;
CREATE INDEX alert_live ON alert (tenant, severity DESC, effective_us DESC, id)
    WHERE status IN ('waiting', 'open', 'acknowledged', 'snoozed');
CREATE INDEX alert_due ON alert (tenant, due_us, severity DESC, id) WHERE due_us IS NOT NULL;
CREATE INDEX alert_tally ON alert (tenant, rule, status, because, effective_us);

-- How many alerts a role of a care team was told on a day of its clinic, counted in days from 1970.
CREATE TABLE alert_told (
    tenant TEXT NOT NULL,
    day INTEGER NOT NULL,
    feed TEXT NOT NULL,
    role TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (tenant, day, feed, role)
) WITHOUT ROWID;
