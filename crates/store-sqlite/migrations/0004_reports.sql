-- Reports, and what they are counted from.

-- Every attempt: the log entries that say how long a call took, those of an operation together. A report reads this
-- instead of the log, which is ten times as large; it only grows at its end.
CREATE INDEX log_attempt ON log (operation, version, at, action) WHERE execution_time_ms IS NOT NULL;

CREATE TABLE report (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    -- What lists tell, as JSON.
    head TEXT NOT NULL,
    -- The figures, as JSON.
    figures TEXT NOT NULL
) STRICT, WITHOUT ROWID;
