-- Reports, and what they are counted from.

-- Every attempt: the log entries that say how long a call took, those of an operation together. A report reads this
-- instead of the log, which is ten times as large; it only grows at its end.
CREATE INDEX log_attempt ON saldo.log (operation, version) INCLUDE (at, action) WHERE execution_time_ms IS NOT NULL;

CREATE TABLE saldo.report (
    id uuid NOT NULL PRIMARY KEY,
    -- What lists tell, as JSON.
    head text NOT NULL,
    -- The figures, as JSON.
    figures text NOT NULL
);
