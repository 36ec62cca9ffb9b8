-- Running servers, and the circuits that they share: the same tables as on a server, though one process works here.

CREATE TABLE instance (
    -- Another one for each start.
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('all', 'api', 'worker')),
    started_at INTEGER NOT NULL,
    heartbeat_at INTEGER NOT NULL,
    -- Under way at the heartbeat, and counted within the window of the success rate.
    deliveries INTEGER NOT NULL CHECK (deliveries >= 0),
    attempts INTEGER NOT NULL CHECK (attempts >= 0),
    successes INTEGER NOT NULL CHECK (successes BETWEEN 0 AND attempts),
    retried INTEGER NOT NULL CHECK (retried >= 0),
    retried_ms INTEGER NOT NULL CHECK (retried_ms >= 0)
) STRICT, WITHOUT ROWID;

CREATE TABLE circuit (
    -- service, credentials, or an account.
    subject TEXT NOT NULL PRIMARY KEY,
    -- Grows with every change. It never begins again, so closed circuits stay.
    version INTEGER NOT NULL CHECK (version >= 1),
    is_open INTEGER NOT NULL CHECK (is_open IN (0, 1)),
    opened_at INTEGER NOT NULL,
    wait_seconds INTEGER NOT NULL CHECK (wait_seconds >= 0),
    probe_due_at INTEGER NOT NULL,
    -- The instance that probes, and when its probe is forgotten.
    prober TEXT,
    probe_until INTEGER,
    is_unusable INTEGER NOT NULL CHECK (is_unusable IN (0, 1)),
    CHECK ((prober IS NULL) = (probe_until IS NULL))
) STRICT, WITHOUT ROWID;
