-- Alerts, and the messages about them.

CREATE TABLE saldo.alert (
    id uuid NOT NULL PRIMARY KEY,
    kind text COLLATE "C" NOT NULL,
    -- About one account, about one task, or about all.
    account uuid,
    task text COLLATE "C",
    severity text COLLATE "C" NOT NULL CHECK (severity IN ('notice', 'warning', 'critical')),
    facts text NOT NULL,
    peak bigint NOT NULL CHECK (peak >= 0),
    begun_at bigint NOT NULL,
    cleared_at bigint,
    quiet_seconds bigint NOT NULL CHECK (quiet_seconds > 0),
    first_told_at bigint,
    told_at bigint,
    told_count bigint NOT NULL CHECK (told_count >= 0),
    reminders bigint NOT NULL CHECK (reminders >= 0),
    acknowledged text,
    ended_at bigint,
    delivered bigint,
    version bigint NOT NULL CHECK (version >= 1),
    CHECK (account IS NULL OR task IS NULL),
    CHECK ((first_told_at IS NULL) = (told_at IS NULL)),
    -- What ended was gone before.
    CHECK (ended_at IS NULL OR cleared_at IS NOT NULL)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);

-- At most one open alert of a kind and a subject.
CREATE UNIQUE INDEX alert_open ON saldo.alert (kind, coalesce(account::text, ''), coalesce(task, ''))
    WHERE ended_at IS NULL;
CREATE INDEX alert_ended ON saldo.alert (ended_at) WHERE ended_at IS NOT NULL;

-- The outbox: written with the alerts that it tells of, in one transaction.
CREATE TABLE saldo.alert_message (
    id uuid NOT NULL PRIMARY KEY,
    channel text COLLATE "C" NOT NULL CHECK (channel IN ('telegram', 'email', 'webhook')),
    created_at bigint NOT NULL,
    due_at bigint NOT NULL,
    entries text NOT NULL,
    status text COLLATE "C" NOT NULL CHECK (status IN ('waiting', 'sent', 'failed')),
    attempts bigint NOT NULL CHECK (attempts >= 0),
    next_at bigint NOT NULL,
    last_error text,
    ended_at bigint,
    CHECK ((status = 'waiting') = (ended_at IS NULL))
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX alert_message_waiting ON saldo.alert_message (next_at, id) WHERE status = 'waiting';
CREATE INDEX alert_message_failed ON saldo.alert_message (id) WHERE status = 'failed';
CREATE INDEX alert_message_ended ON saldo.alert_message (ended_at) WHERE ended_at IS NOT NULL;
