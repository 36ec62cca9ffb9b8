-- The ledger. Ids of ours are UUIDs as 16 bytes; moments are microseconds since 1970, UTC; words are the stable
-- ones of the API; nested things are JSON. Checks restate rules that the code has checked before: a row that
-- breaks one is a mistake of ours, and the transaction must not be committed. They spell out their words with OR:
-- for `IN` with three words or more SQLite builds a table in memory each time that a row is written.

-- Numbered in the order of arrival: what happens to an order in its first minutes touches pages that its neighbours
-- in time have touched already, whatever its id.
CREATE TABLE orders (
    number INTEGER PRIMARY KEY,
    account BLOB NOT NULL CHECK (length(account) = 16),
    order_id TEXT NOT NULL,
    warehouse TEXT NOT NULL,
    standing TEXT NOT NULL CHECK (standing = 'applied' OR standing = 'awaits_payment' OR standing = 'awaits_stock'
        OR standing = 'awaits_review' OR standing = 'given_back' OR standing = 'cancelled' OR standing = 'skipped'
        OR standing = 'merged' OR standing = 'settled'),
    -- Of 'cancelled': 'final' or 'reopenable'. Of 'skipped': why. Of 'merged': the order that answers for it.
    standing_detail TEXT,
    -- The lines in the order of the form, as JSON. They are read and written with their order and never without
    -- it; a table of their own would cost every order another page of a large tree.
    lines TEXT NOT NULL,
    -- The ids of its operations, one after the other, 16 bytes each, in the order of recording: what an index of
    -- operations by order would say, for the same reason.
    operations BLOB NOT NULL CHECK (length(operations) % 16 = 0),
    form_seen INTEGER NOT NULL CHECK (form_seen IN (0, 1)),
    shipped INTEGER NOT NULL CHECK (shipped IN (0, 1)),
    touched INTEGER NOT NULL CHECK (touched IN (0, 1)),
    flag_confirmed INTEGER CHECK (flag_confirmed IN (0, 1)),
    flag_confirmed_at INTEGER,
    first_operation BLOB,
    revisions TEXT,
    copy_updated_at INTEGER,
    bought_at INTEGER,
    awaited TEXT,
    answered TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    -- What is owed to the orders service: its delivery. All of it is empty while nothing is owed. It has no table
    -- of its own, because the order is stored with every step of its delivery anyway.
    due_at INTEGER,
    owed_since INTEGER,
    task TEXT CHECK (task IN ('send', 'verify')),
    failed_read_backs INTEGER CHECK (failed_read_backs >= 0),
    lease_token BLOB,
    lease_until INTEGER,
    lease_flag INTEGER CHECK (lease_flag IN (0, 1)),
    sent_true_at INTEGER,
    sent_false_at INTEGER,
    UNIQUE (account, order_id),
    CHECK ((standing = 'cancelled' OR standing = 'skipped' OR standing = 'merged') = (standing_detail IS NOT NULL)),
    CHECK ((due_at IS NULL) = (owed_since IS NULL) AND (due_at IS NULL) = (task IS NULL)
        AND (due_at IS NULL) = (failed_read_backs IS NULL)),
    CHECK (due_at IS NOT NULL OR (lease_token IS NULL AND sent_true_at IS NULL AND sent_false_at IS NULL)),
    CHECK ((lease_token IS NULL) = (lease_until IS NULL) AND (lease_token IS NULL) = (lease_flag IS NULL))
) STRICT;

-- The queue of deliveries: never larger than what is owed.
CREATE INDEX delivery_due ON orders (account, due_at, order_id) WHERE due_at IS NOT NULL;
CREATE INDEX delivery_owed ON orders (account, owed_since, order_id) WHERE owed_since IS NOT NULL;

-- Which order holds a line: what a deduction is remembered by, over all accounts.
CREATE TABLE line_holder (
    line_item_id TEXT NOT NULL PRIMARY KEY,
    -- The number of the order.
    holder INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE operation (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    operation_type TEXT NOT NULL CHECK (operation_type = 'deduction' OR operation_type = 'refund'
        OR operation_type = 'adjustment'),
    status TEXT NOT NULL CHECK (status = 'pending' OR status = 'processing' OR status = 'completed'
        OR status = 'failed' OR status = 'rolled_back'),
    account BLOB,
    order_id TEXT,
    lines TEXT NOT NULL,
    retry_count INTEGER NOT NULL CHECK (retry_count >= 0),
    max_retries INTEGER NOT NULL CHECK (max_retries >= 0),
    next_retry_at INTEGER,
    error_message TEXT,
    waiting_for TEXT CHECK (waiting_for = 'delivery' OR waiting_for = 'stock' OR waiting_for = 'payment'
        OR waiting_for = 'account' OR waiting_for = 'review'),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    stock_applied_at INTEGER,
    completed_at INTEGER,
    rolled_back_by BLOB,
    rolls_back BLOB,
    review BLOB,
    version INTEGER NOT NULL CHECK (version >= 1),
    CHECK ((account IS NULL) = (order_id IS NULL)),
    -- What is finished waits for nothing.
    CHECK (waiting_for IS NULL OR status = 'pending' OR status = 'processing' OR status = 'failed'),
    CHECK (status <> 'completed' OR completed_at IS NOT NULL)
) STRICT, WITHOUT ROWID;

-- Lists and counts of what is unfinished must not look at what is finished. Written with OR, so that a question
-- about one status is seen to be covered.
CREATE INDEX operation_unfinished ON operation (status, waiting_for, id, created_at, operation_type = 'refund')
    WHERE status = 'pending' OR status = 'processing' OR status = 'failed';
CREATE INDEX operation_failed_under ON operation (review, id)
    WHERE status = 'failed' AND review IS NOT NULL;
CREATE INDEX operation_completed ON operation (completed_at) WHERE status = 'completed';

CREATE TABLE movement (
    sku TEXT NOT NULL,
    warehouse TEXT NOT NULL,
    sequence INTEGER NOT NULL CHECK (sequence >= 1),
    quantity INTEGER NOT NULL,
    balance_after INTEGER NOT NULL CHECK (balance_after BETWEEN -1000000000000 AND 1000000000000),
    operation BLOB NOT NULL CHECK (length(operation) = 16),
    line TEXT,
    negative_allowed INTEGER NOT NULL CHECK (negative_allowed IN (0, 1)),
    at INTEGER NOT NULL,
    PRIMARY KEY (sku, warehouse, sequence),
    -- Invariant 5: what takes may go below zero only where that was allowed.
    CHECK (balance_after >= 0 OR quantity >= 0 OR negative_allowed = 1)
) STRICT, WITHOUT ROWID;

-- Invariant 9: the ledger is appended to, and never changed.
CREATE TRIGGER movement_is_never_changed BEFORE UPDATE ON movement
BEGIN SELECT RAISE(ABORT, 'movements are append-only'); END;
CREATE TRIGGER movement_is_never_removed BEFORE DELETE ON movement
BEGIN SELECT RAISE(ABORT, 'movements are append-only'); END;

CREATE TABLE balance (
    sku TEXT NOT NULL,
    warehouse TEXT NOT NULL,
    quantity INTEGER NOT NULL CHECK (quantity BETWEEN -1000000000000 AND 1000000000000),
    movements INTEGER NOT NULL CHECK (movements >= 1),
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (sku, warehouse)
) STRICT, WITHOUT ROWID;

CREATE TABLE log (
    operation BLOB NOT NULL CHECK (length(operation) = 16),
    version INTEGER NOT NULL CHECK (version >= 1),
    id BLOB NOT NULL CHECK (length(id) = 16),
    action TEXT NOT NULL,
    status TEXT NOT NULL,
    details TEXT NOT NULL,
    at INTEGER NOT NULL,
    execution_time_ms INTEGER,
    PRIMARY KEY (operation, version)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER log_is_never_changed BEFORE UPDATE ON log
BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
CREATE TRIGGER log_is_never_removed BEFORE DELETE ON log
BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;

CREATE TABLE review (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    reason TEXT NOT NULL,
    account BLOB,
    order_id TEXT,
    operation BLOB,
    details TEXT NOT NULL,
    opened_at INTEGER NOT NULL,
    -- How it ended; all empty while it is open.
    answered_at INTEGER,
    answered_by TEXT,
    resolution TEXT,
    note TEXT,
    CHECK (account IS NOT NULL OR order_id IS NULL),
    CHECK ((answered_at IS NULL) = (answered_by IS NULL))
) STRICT, WITHOUT ROWID;

-- At most one open review of a reason and a subject.
CREATE UNIQUE INDEX review_open ON review (reason, ifnull(account, x''), ifnull(order_id, ''))
    WHERE answered_at IS NULL;
CREATE INDEX review_open_list ON review (reason, id) WHERE answered_at IS NULL;
CREATE INDEX review_open_wide ON review (id) WHERE answered_at IS NULL AND order_id IS NULL;
CREATE INDEX review_of_order ON review (account, order_id) WHERE order_id IS NOT NULL;

-- Orders that wait for a SKU, the oldest first.
CREATE TABLE stock_wait (
    sku TEXT NOT NULL,
    warehouse TEXT NOT NULL,
    order_created_at INTEGER NOT NULL,
    account BLOB NOT NULL,
    order_id TEXT NOT NULL,
    PRIMARY KEY (sku, warehouse, order_created_at, account, order_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX stock_wait_of_order ON stock_wait (account, order_id);

-- Orders that somebody named, to be fetched and taken in.
CREATE TABLE wish (
    account BLOB NOT NULL CHECK (length(account) = 16),
    order_id TEXT NOT NULL,
    wished_at INTEGER NOT NULL,
    PRIMARY KEY (account, order_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX wish_by_age ON wish (wished_at);

CREATE TABLE mapping (
    account BLOB NOT NULL CHECK (length(account) = 16),
    offer TEXT NOT NULL,
    components TEXT NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (account, offer)
) STRICT, WITHOUT ROWID;

-- Answers under idempotency keys: what the decision recorded, and the final HTTP answer once there is one.
CREATE TABLE answer (
    key TEXT NOT NULL PRIMARY KEY,
    fingerprint TEXT NOT NULL,
    outcome TEXT NOT NULL,
    at INTEGER NOT NULL,
    final_answer TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE account (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    name TEXT,
    by_hand INTEGER NOT NULL CHECK (by_hand IN (0, 1)),
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Keys to the API: only a hash is kept.
CREATE TABLE api_key (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('viewer', 'operator', 'admin')),
    hash TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT;
-- Names tell who acted, so they are unique among the keys that can act.
CREATE UNIQUE INDEX api_key_name ON api_key (name) WHERE revoked_at IS NULL;
