-- Claims and their ends rewrite rows in place, in pages that have room for it, and touch no index.

-- Where a delivery stands in the queue: when it is due, or, while it is leased, when it was due before. So it is never
-- later than what it is due at, and a claim, which moves that to the end of the lease, leaves the index as it is. The
-- version before finds its rows by what they are due at, and leaves this as it is: its own stand before all others.
ALTER TABLE saldo.delivery ADD COLUMN queued_at bigint NOT NULL DEFAULT 0;
UPDATE saldo.delivery SET queued_at = due_at;
CREATE INDEX delivery_queue ON saldo.delivery (account, queued_at, order_id);
-- The version before finds what is due along this index. Without it, it would take a lock for each order that is due, and
-- so all locks that the server has. It stays while instances run; the last that is upgraded lets it go (src/old_index.rs).
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM saldo.instance) THEN
        DROP INDEX saldo.delivery_due;
    END IF;
END $$;
ALTER TABLE saldo.delivery SET (fillfactor = 45);

-- Every order that is delivered is rewritten once, soon after it came.
ALTER TABLE saldo.orders SET (fillfactor = 60);
