-- The ledger, in a schema of its own, so that the database may hold other programs' tables beside it. Moments are
-- microseconds since 1970, UTC; words are the stable ones of the API; nested things are JSON. Text is compared byte
-- by byte, whatever the collation of the database. Checks restate rules that the code has checked before: a row
-- that breaks one is a mistake of ours, and the transaction must not be committed.

CREATE TABLE saldo.orders (
    account uuid NOT NULL,
    order_id text COLLATE "C" NOT NULL,
    warehouse text COLLATE "C" NOT NULL,
    standing text COLLATE "C" NOT NULL CHECK (standing IN (
        'awaits_payment', 'awaits_stock', 'awaits_review', 'applied', 'given_back', 'cancelled', 'skipped',
        'merged', 'settled')),
    -- Of 'cancelled': 'final' or 'reopenable'. Of 'skipped': why. Of 'merged': the order that answers for it.
    standing_detail text COLLATE "C",
    -- The lines in the order of the form, as JSON. They are read and written with their order and never without it.
    lines text NOT NULL,
    -- The ids of its operations in the order of recording: what an index of operations by order would say, without
    -- an index entry for every operation.
    operations uuid[] NOT NULL,
    form_seen boolean NOT NULL,
    shipped boolean NOT NULL,
    touched boolean NOT NULL,
    flag_confirmed boolean,
    flag_confirmed_at bigint,
    first_operation uuid,
    revisions text,
    copy_updated_at bigint,
    bought_at bigint,
    awaited text,
    answered text,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    PRIMARY KEY (account, order_id),
    CHECK ((standing IN ('cancelled', 'skipped', 'merged')) = (standing_detail IS NOT NULL))
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);

-- Which order holds a line: what a deduction is remembered by, over all accounts.
CREATE TABLE saldo.line_holder (
    line_item_id text COLLATE "C" NOT NULL PRIMARY KEY,
    account uuid NOT NULL,
    order_id text COLLATE "C" NOT NULL
) WITH (autovacuum_analyze_scale_factor = 0.02);

CREATE TABLE saldo.operation (
    id uuid NOT NULL PRIMARY KEY,
    operation_type text COLLATE "C" NOT NULL CHECK (operation_type IN ('deduction', 'refund', 'adjustment')),
    status text COLLATE "C" NOT NULL
        CHECK (status IN ('pending', 'processing', 'completed', 'failed', 'rolled_back')),
    account uuid,
    order_id text COLLATE "C",
    lines text NOT NULL,
    retry_count bigint NOT NULL CHECK (retry_count >= 0),
    max_retries bigint NOT NULL CHECK (max_retries >= 0),
    next_retry_at bigint,
    error_message text,
    waiting_for text COLLATE "C" CHECK (waiting_for IN ('delivery', 'stock', 'payment', 'account', 'review')),
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    stock_applied_at bigint,
    completed_at bigint,
    rolled_back_by uuid,
    rolls_back uuid,
    review uuid,
    version bigint NOT NULL CHECK (version >= 1),
    CHECK ((account IS NULL) = (order_id IS NULL)),
    -- What is finished waits for nothing.
    CHECK (status IN ('pending', 'processing', 'failed') OR waiting_for IS NULL),
    CHECK (status <> 'completed' OR completed_at IS NOT NULL)
) WITH (fillfactor = 75, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);

-- Lists and counts of what is unfinished must not look at what is finished: only these indexes know it, and they
-- are as small as the work that is left.
CREATE INDEX operation_unfinished ON saldo.operation (status, waiting_for, id)
    INCLUDE (created_at, operation_type) WHERE status IN ('pending', 'processing', 'failed');
CREATE INDEX operation_failed_under ON saldo.operation (review, id)
    WHERE status = 'failed' AND review IS NOT NULL;
CREATE INDEX operation_completed ON saldo.operation (completed_at) WHERE status = 'completed';

CREATE TABLE saldo.movement (
    sku text COLLATE "C" NOT NULL,
    warehouse text COLLATE "C" NOT NULL,
    sequence bigint NOT NULL CHECK (sequence >= 1),
    quantity bigint NOT NULL,
    balance_after bigint NOT NULL CHECK (balance_after BETWEEN -1000000000000 AND 1000000000000),
    operation uuid NOT NULL,
    line text COLLATE "C",
    negative_allowed boolean NOT NULL,
    at bigint NOT NULL,
    PRIMARY KEY (sku, warehouse, sequence),
    -- Invariant 5: what takes may go below zero only where that was allowed.
    CHECK (balance_after >= 0 OR quantity >= 0 OR negative_allowed)
) WITH (autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);

CREATE TABLE saldo.balance (
    sku text COLLATE "C" NOT NULL,
    warehouse text COLLATE "C" NOT NULL,
    quantity bigint NOT NULL CHECK (quantity BETWEEN -1000000000000 AND 1000000000000),
    movements bigint NOT NULL CHECK (movements >= 1),
    updated_at bigint NOT NULL,
    PRIMARY KEY (sku, warehouse)
-- Every order rewrites some of its rows in place: half of each page is left free for that.
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_cost_delay = 0, autovacuum_analyze_scale_factor = 0.1);

CREATE TABLE saldo.log (
    operation uuid NOT NULL,
    version bigint NOT NULL CHECK (version >= 1),
    id uuid NOT NULL,
    action text COLLATE "C" NOT NULL,
    status text COLLATE "C" NOT NULL,
    details text NOT NULL,
    at bigint NOT NULL,
    execution_time_ms bigint,
    PRIMARY KEY (operation, version)
) WITH (autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);

-- Invariant 9: the ledger is appended to, and never changed.
CREATE FUNCTION saldo.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'saldo.% is append-only', TG_TABLE_NAME;
END $$;
CREATE TRIGGER movement_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON saldo.movement
    FOR EACH STATEMENT EXECUTE FUNCTION saldo.refuse_change();
CREATE TRIGGER log_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON saldo.log
    FOR EACH STATEMENT EXECUTE FUNCTION saldo.refuse_change();

-- What is owed to the orders service. A row exists only while something is owed, so the table stays as small as the
-- queue; dead rows are cleared away early and without pause.
CREATE TABLE saldo.delivery (
    account uuid NOT NULL,
    order_id text COLLATE "C" NOT NULL,
    due_at bigint NOT NULL,
    owed_since bigint NOT NULL,
    lease_token uuid,
    lease_until bigint,
    lease_flag boolean,
    sent_true_at bigint,
    sent_false_at bigint,
    task text COLLATE "C" NOT NULL CHECK (task IN ('send', 'verify')),
    failed_read_backs bigint NOT NULL CHECK (failed_read_backs >= 0),
    -- The name of the lock on its order, so that a search for due deliveries can pass over those at work.
    lock_name bigint NOT NULL,
    PRIMARY KEY (account, order_id),
    CHECK ((lease_token IS NULL) = (lease_until IS NULL) AND (lease_token IS NULL) = (lease_flag IS NULL))
) WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,
    autovacuum_vacuum_cost_delay = 0, autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 10000);

CREATE INDEX delivery_due ON saldo.delivery (account, due_at, order_id);
CREATE INDEX delivery_owed ON saldo.delivery (account, owed_since, order_id);

CREATE TABLE saldo.review (
    id uuid NOT NULL PRIMARY KEY,
    reason text COLLATE "C" NOT NULL,
    account uuid,
    order_id text COLLATE "C",
    operation uuid,
    details text NOT NULL,
    opened_at bigint NOT NULL,
    -- How it ended; all empty while it is open.
    answered_at bigint,
    answered_by text,
    resolution text COLLATE "C",
    note text,
    CHECK (account IS NOT NULL OR order_id IS NULL),
    CHECK ((answered_at IS NULL) = (answered_by IS NULL))
) WITH (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.05);

-- At most one open review of a reason and a subject.
CREATE UNIQUE INDEX review_open ON saldo.review
    (reason, coalesce(account, '00000000-0000-0000-0000-000000000000'), (account IS NULL), coalesce(order_id, ''))
    WHERE answered_at IS NULL;
CREATE INDEX review_open_list ON saldo.review (reason, id) WHERE answered_at IS NULL;
CREATE INDEX review_open_wide ON saldo.review (id) WHERE answered_at IS NULL AND order_id IS NULL;
CREATE INDEX review_of_order ON saldo.review (account, order_id, id) WHERE order_id IS NOT NULL;

-- Orders that wait for a SKU, the oldest first.
CREATE TABLE saldo.stock_wait (
    sku text COLLATE "C" NOT NULL,
    warehouse text COLLATE "C" NOT NULL,
    order_created_at bigint NOT NULL,
    account uuid NOT NULL,
    order_id text COLLATE "C" NOT NULL,
    PRIMARY KEY (sku, warehouse, order_created_at, account, order_id)
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000);
CREATE INDEX stock_wait_of_order ON saldo.stock_wait (account, order_id);

-- Orders that somebody named, to be fetched and taken in.
CREATE TABLE saldo.wish (
    account uuid NOT NULL,
    order_id text COLLATE "C" NOT NULL,
    wished_at bigint NOT NULL,
    PRIMARY KEY (account, order_id)
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000);
CREATE INDEX wish_by_age ON saldo.wish (wished_at, account, order_id);

CREATE TABLE saldo.mapping (
    account uuid NOT NULL,
    offer text COLLATE "C" NOT NULL,
    components text NOT NULL,
    updated_at bigint NOT NULL,
    PRIMARY KEY (account, offer)
);

-- Answers under idempotency keys: what the decision recorded, and the final HTTP answer once there is one.
CREATE TABLE saldo.answer (
    key text COLLATE "C" NOT NULL PRIMARY KEY,
    fingerprint text NOT NULL,
    outcome text NOT NULL,
    at bigint NOT NULL,
    final_answer text
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);

CREATE TABLE saldo.account (
    id uuid NOT NULL PRIMARY KEY,
    name text,
    by_hand boolean NOT NULL,
    created_at bigint NOT NULL
);

-- Keys to the API: only a hash is kept.
CREATE TABLE saldo.api_key (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text COLLATE "C" NOT NULL,
    role text COLLATE "C" NOT NULL CHECK (role IN ('viewer', 'operator', 'admin')),
    hash text NOT NULL,
    created_at bigint NOT NULL,
    revoked_at bigint
);
-- Names tell who acted, so they are unique among the keys that can act.
CREATE UNIQUE INDEX api_key_name ON saldo.api_key (name) WHERE revoked_at IS NULL;

-- One row a transaction, removed by the next of the same worker. A commit whose answer was lost is looked up here,
-- and not repeated.
CREATE TABLE saldo.commit_marker (
    id uuid NOT NULL PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now()
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);
