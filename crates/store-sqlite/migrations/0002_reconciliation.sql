-- Reconciliation, the rollout, scheduled tasks, and the clean-up.

-- The ledger's orders of an account by purchase, the newest first: those that a listing must show. Only of orders
-- that a movement of ours was applied for; the others have no row here.
CREATE INDEX orders_touched ON orders (account, ifnull(bought_at, created_at), order_id) WHERE touched = 1;

-- The mode and its history: the row of the highest number is in force.
CREATE TABLE rollout (
    number INTEGER PRIMARY KEY,
    mode TEXT NOT NULL CHECK (mode IN ('off', 'shadow', 'partial', 'on')),
    accounts TEXT NOT NULL,
    percent INTEGER NOT NULL CHECK (percent BETWEEN 0 AND 100),
    start_from INTEGER,
    changed_at INTEGER NOT NULL,
    changed_by TEXT NOT NULL
) STRICT;

-- When stock was last counted or imported: one row at most. Saldo is switched on only over a count.
CREATE TABLE stock_count (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    at INTEGER NOT NULL
) STRICT;

-- Orders in shadow: what would have been done, beside what the service shows was done.
CREATE TABLE shadow_order (
    account BLOB NOT NULL CHECK (length(account) = 16),
    order_id TEXT NOT NULL,
    seen_at INTEGER NOT NULL,
    would TEXT NOT NULL CHECK (would IN ('deduct', 'wait', 'ask', 'nothing')),
    details TEXT NOT NULL,
    remote_flag INTEGER CHECK (remote_flag IN (0, 1)),
    compared_at INTEGER,
    verdict TEXT NOT NULL CHECK (verdict IN ('undecided', 'same', 'differs')),
    PRIMARY KEY (account, order_id),
    CHECK ((remote_flag IS NULL) = (compared_at IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX shadow_order_by_age ON shadow_order (seen_at, account, order_id);
CREATE INDEX shadow_order_by_account ON shadow_order (account, seen_at, order_id);
CREATE INDEX shadow_order_by_verdict ON shadow_order (verdict, seen_at, account, order_id);

-- How far each account's orders have landed.
CREATE TABLE watermark (
    account BLOB NOT NULL PRIMARY KEY CHECK (length(account) = 16),
    landed INTEGER,
    last_pass_at INTEGER,
    last_full_pass_at INTEGER,
    last_full_total INTEGER CHECK (last_full_total >= 0)
) STRICT, WITHOUT ROWID;

CREATE TABLE reconciliation_run (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    scope TEXT NOT NULL,
    started_by TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at INTEGER,
    outcome TEXT NOT NULL CHECK (outcome IN ('running', 'completed', 'failed')),
    error TEXT,
    tally TEXT NOT NULL,
    place TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX reconciliation_run_ended ON reconciliation_run (ended_at) WHERE ended_at IS NOT NULL;

CREATE TABLE discrepancy (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    account BLOB NOT NULL CHECK (length(account) = 16),
    order_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    local TEXT NOT NULL,
    remote TEXT NOT NULL,
    resolution TEXT NOT NULL CHECK (resolution IN ('reported', 'watched', 'auto_fixed', 'review', 'gone')),
    review BLOB,
    run BLOB NOT NULL CHECK (length(run) = 16),
    times_seen INTEGER NOT NULL CHECK (times_seen >= 1),
    first_seen_at INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL,
    closed_at INTEGER
) STRICT, WITHOUT ROWID;
-- At most one open discrepancy of an order and a kind.
CREATE UNIQUE INDEX discrepancy_open ON discrepancy (account, order_id, kind) WHERE closed_at IS NULL;
-- Counts and lists of what is open must not look at what was closed.
CREATE INDEX discrepancy_open_list ON discrepancy (kind, resolution, last_seen_at, id) WHERE closed_at IS NULL;
CREATE INDEX discrepancy_by_age ON discrepancy (last_seen_at, id);
CREATE INDEX discrepancy_by_kind ON discrepancy (kind, last_seen_at, id);
CREATE INDEX discrepancy_of_run ON discrepancy (run, last_seen_at, id);
CREATE INDEX discrepancy_of_order ON discrepancy (order_id, account);
CREATE INDEX discrepancy_closed ON discrepancy (closed_at) WHERE closed_at IS NOT NULL;

CREATE TABLE task_state (
    name TEXT NOT NULL PRIMARY KEY,
    last_started_at INTEGER,
    last_ended_at INTEGER,
    last_succeeded INTEGER CHECK (last_succeeded IN (0, 1)),
    last_detail TEXT,
    last_due_at INTEGER,
    next_run_at INTEGER
) STRICT, WITHOUT ROWID;

-- Who may run a task. A row stays when its lease is over or was given back, so that terms only grow.
CREATE TABLE lease (
    name TEXT NOT NULL PRIMARY KEY,
    -- None once it was given back.
    holder TEXT,
    term INTEGER NOT NULL CHECK (term >= 1),
    until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The clean-up finds what is old along these; none of them costs intake anything.
CREATE INDEX operation_rolled_back ON operation (updated_at) WHERE status = 'rolled_back';
CREATE INDEX review_closed ON review (answered_at) WHERE answered_at IS NOT NULL;

-- Invariant 9: only what is finished goes, and never what makes a repeat harmless. Movements keep their guards.
DROP TRIGGER log_is_never_removed;
CREATE TRIGGER log_is_removed_when_finished BEFORE DELETE ON log
WHEN EXISTS (SELECT 1 FROM operation WHERE operation.id = OLD.operation
    AND operation.status IN ('pending', 'processing', 'failed'))
BEGIN SELECT RAISE(ABORT, 'the log of an unfinished operation is append-only'); END;
CREATE TRIGGER operation_is_removed_when_finished BEFORE DELETE ON operation
WHEN OLD.status IN ('pending', 'processing', 'failed')
BEGIN SELECT RAISE(ABORT, 'an unfinished operation is never removed'); END;
CREATE TRIGGER order_is_never_removed BEFORE DELETE ON orders
BEGIN SELECT RAISE(ABORT, 'orders are never removed'); END;
