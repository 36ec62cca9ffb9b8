-- Running servers, and the circuits that they share. The version before looks at neither.

CREATE TABLE saldo.instance (
    -- Another one for each start.
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    name text COLLATE "C" NOT NULL,
    version text NOT NULL,
    role text NOT NULL CHECK (role IN ('all', 'api', 'worker')),
    started_at bigint NOT NULL,
    heartbeat_at bigint NOT NULL,
    -- Under way at the heartbeat, and counted within the window of the success rate.
    deliveries bigint NOT NULL CHECK (deliveries >= 0),
    attempts bigint NOT NULL CHECK (attempts >= 0),
    successes bigint NOT NULL CHECK (successes BETWEEN 0 AND attempts),
    retried bigint NOT NULL CHECK (retried >= 0),
    retried_ms bigint NOT NULL CHECK (retried_ms >= 0)
) WITH (fillfactor = 50);

CREATE TABLE saldo.circuit (
    -- service, credentials, or an account.
    subject text COLLATE "C" NOT NULL PRIMARY KEY,
    -- Grows with every change. It never begins again, so closed circuits stay.
    version bigint NOT NULL CHECK (version >= 1),
    is_open boolean NOT NULL,
    opened_at bigint NOT NULL,
    wait_seconds bigint NOT NULL CHECK (wait_seconds >= 0),
    probe_due_at bigint NOT NULL,
    -- The instance that probes, and when its probe is forgotten.
    prober text COLLATE "C",
    probe_until bigint,
    is_unusable boolean NOT NULL,
    CHECK ((prober IS NULL) = (probe_until IS NULL))
) WITH (fillfactor = 50);
