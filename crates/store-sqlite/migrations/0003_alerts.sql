-- Alerts, and the messages about them.

CREATE TABLE alert (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    kind TEXT NOT NULL,
    -- About one account, about one task, or about all.
    account BLOB CHECK (length(account) = 16),
    task TEXT,
    severity TEXT NOT NULL CHECK (severity IN ('notice', 'warning', 'critical')),
    facts TEXT NOT NULL,
    peak INTEGER NOT NULL CHECK (peak >= 0),
    begun_at INTEGER NOT NULL,
    cleared_at INTEGER,
    quiet_seconds INTEGER NOT NULL CHECK (quiet_seconds > 0),
    first_told_at INTEGER,
    told_at INTEGER,
    told_count INTEGER NOT NULL CHECK (told_count >= 0),
    reminders INTEGER NOT NULL CHECK (reminders >= 0),
    acknowledged TEXT,
    ended_at INTEGER,
    delivered INTEGER,
    version INTEGER NOT NULL CHECK (version >= 1),
    CHECK (account IS NULL OR task IS NULL),
    CHECK ((first_told_at IS NULL) = (told_at IS NULL)),
    -- What ended was gone before.
    CHECK (ended_at IS NULL OR cleared_at IS NOT NULL)
) STRICT, WITHOUT ROWID;

-- At most one open alert of a kind and a subject.
CREATE UNIQUE INDEX alert_open ON alert (kind, ifnull(account, x''), ifnull(task, '')) WHERE ended_at IS NULL;
CREATE INDEX alert_ended ON alert (ended_at) WHERE ended_at IS NOT NULL;

-- The outbox: written with the alerts that it tells of, in one transaction.
CREATE TABLE alert_message (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    channel TEXT NOT NULL CHECK (channel IN ('telegram', 'email', 'webhook')),
    created_at INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    entries TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('waiting', 'sent', 'failed')),
    attempts INTEGER NOT NULL CHECK (attempts >= 0),
    next_at INTEGER NOT NULL,
    last_error TEXT,
    ended_at INTEGER,
    CHECK ((status = 'waiting') = (ended_at IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX alert_message_waiting ON alert_message (next_at, id) WHERE status = 'waiting';
CREATE INDEX alert_message_failed ON alert_message (id) WHERE status = 'failed';
CREATE INDEX alert_message_ended ON alert_message (ended_at) WHERE ended_at IS NOT NULL;
