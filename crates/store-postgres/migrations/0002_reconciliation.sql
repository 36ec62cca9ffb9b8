-- Reconciliation, the rollout, scheduled tasks, and the clean-up.

-- The ledger's orders of an account by purchase, the newest first: those that a listing must show. Only of orders
-- that a movement of ours was applied for; the others have no row here.
CREATE INDEX orders_touched ON saldo.orders (account, (coalesce(bought_at, created_at)), order_id) WHERE touched;

-- The mode and its history: the row of the highest number is in force.
CREATE TABLE saldo.rollout (
    number bigint NOT NULL PRIMARY KEY,
    mode text COLLATE "C" NOT NULL CHECK (mode IN ('off', 'shadow', 'partial', 'on')),
    accounts text NOT NULL,
    percent bigint NOT NULL CHECK (percent BETWEEN 0 AND 100),
    start_from bigint,
    changed_at bigint NOT NULL,
    changed_by text NOT NULL
);

-- When stock was last counted or imported: one row at most. Saldo is switched on only over a count.
CREATE TABLE saldo.stock_count (
    number bigint NOT NULL PRIMARY KEY CHECK (number = 1),
    at bigint NOT NULL
) WITH (fillfactor = 50);

-- Orders in shadow: what would have been done, beside what the service shows was done.
CREATE TABLE saldo.shadow_order (
    account uuid NOT NULL,
    order_id text COLLATE "C" NOT NULL,
    seen_at bigint NOT NULL,
    would text COLLATE "C" NOT NULL CHECK (would IN ('deduct', 'wait', 'ask', 'nothing')),
    details text NOT NULL,
    remote_flag boolean,
    compared_at bigint,
    verdict text COLLATE "C" NOT NULL CHECK (verdict IN ('undecided', 'same', 'differs')),
    PRIMARY KEY (account, order_id),
    CHECK ((remote_flag IS NULL) = (compared_at IS NULL))
) WITH (autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX shadow_order_by_age ON saldo.shadow_order (seen_at, account, order_id);
CREATE INDEX shadow_order_by_account ON saldo.shadow_order (account, seen_at, order_id);
CREATE INDEX shadow_order_by_verdict ON saldo.shadow_order (verdict, seen_at, account, order_id);

-- How far each account's orders have landed.
CREATE TABLE saldo.watermark (
    account uuid NOT NULL PRIMARY KEY,
    landed bigint,
    last_pass_at bigint,
    last_full_pass_at bigint,
    last_full_total bigint CHECK (last_full_total >= 0)
) WITH (fillfactor = 50);

CREATE TABLE saldo.reconciliation_run (
    id uuid NOT NULL PRIMARY KEY,
    scope text NOT NULL,
    started_by text NOT NULL,
    started_at bigint NOT NULL,
    ended_at bigint,
    outcome text COLLATE "C" NOT NULL CHECK (outcome IN ('running', 'completed', 'failed')),
    error text,
    tally text NOT NULL,
    place text NOT NULL
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX reconciliation_run_ended ON saldo.reconciliation_run (ended_at, id) WHERE ended_at IS NOT NULL;

CREATE TABLE saldo.discrepancy (
    id uuid NOT NULL PRIMARY KEY,
    account uuid NOT NULL,
    order_id text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    local text NOT NULL,
    remote text NOT NULL,
    resolution text COLLATE "C" NOT NULL
        CHECK (resolution IN ('reported', 'watched', 'auto_fixed', 'review', 'gone')),
    review uuid,
    run uuid NOT NULL,
    times_seen bigint NOT NULL CHECK (times_seen >= 1),
    first_seen_at bigint NOT NULL,
    last_seen_at bigint NOT NULL,
    closed_at bigint
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
-- At most one open discrepancy of an order and a kind.
CREATE UNIQUE INDEX discrepancy_open ON saldo.discrepancy (account, order_id, kind) WHERE closed_at IS NULL;
-- Counts and lists of what is open must not look at what was closed.
CREATE INDEX discrepancy_open_list ON saldo.discrepancy (kind, resolution, last_seen_at, id) WHERE closed_at IS NULL;
CREATE INDEX discrepancy_by_age ON saldo.discrepancy (last_seen_at, id);
CREATE INDEX discrepancy_by_kind ON saldo.discrepancy (kind, last_seen_at, id);
CREATE INDEX discrepancy_of_run ON saldo.discrepancy (run, last_seen_at, id);
CREATE INDEX discrepancy_of_order ON saldo.discrepancy (order_id, account);
CREATE INDEX discrepancy_closed ON saldo.discrepancy (closed_at, id) WHERE closed_at IS NOT NULL;

CREATE TABLE saldo.task_state (
    name text COLLATE "C" NOT NULL PRIMARY KEY,
    last_started_at bigint,
    last_ended_at bigint,
    last_succeeded boolean,
    last_detail text,
    last_due_at bigint,
    next_run_at bigint
) WITH (fillfactor = 50);

-- Who may run a task. A row stays when its lease is over or was given back, so that terms only grow.
CREATE TABLE saldo.lease (
    name text COLLATE "C" NOT NULL PRIMARY KEY,
    -- None once it was given back.
    holder text COLLATE "C",
    term bigint NOT NULL CHECK (term >= 1),
    until bigint NOT NULL
) WITH (fillfactor = 50);

-- The clean-up finds what is old along these; none of them costs intake anything.
CREATE INDEX operation_rolled_back ON saldo.operation (updated_at, id) WHERE status = 'rolled_back';
CREATE INDEX review_closed ON saldo.review (answered_at, id) WHERE answered_at IS NOT NULL;

-- Invariant 9: only what is finished goes, and never what makes a repeat harmless. Movements keep their guards.
DROP TRIGGER log_is_append_only ON saldo.log;
CREATE TRIGGER log_is_never_changed BEFORE UPDATE OR TRUNCATE ON saldo.log
    FOR EACH STATEMENT EXECUTE FUNCTION saldo.refuse_change();
CREATE FUNCTION saldo.refuse_removal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_TABLE_NAME = 'log' AND EXISTS (SELECT 1 FROM saldo.operation WHERE operation.id = OLD.operation
            AND operation.status IN ('pending', 'processing', 'failed')) THEN
        RAISE EXCEPTION 'the log of an unfinished operation is append-only';
    END IF;
    RETURN OLD;
END $$;
CREATE TRIGGER log_is_removed_when_finished BEFORE DELETE ON saldo.log
    FOR EACH ROW EXECUTE FUNCTION saldo.refuse_removal();
CREATE TRIGGER operation_is_removed_when_finished BEFORE DELETE ON saldo.operation
    FOR EACH ROW WHEN (OLD.status IN ('pending', 'processing', 'failed')) EXECUTE FUNCTION saldo.refuse_change();
CREATE TRIGGER order_is_never_removed BEFORE DELETE OR TRUNCATE ON saldo.orders
    FOR EACH STATEMENT EXECUTE FUNCTION saldo.refuse_change();
