-- Claims and their ends rewrite rows in place, in pages that have room for it, and touch no index.

-- Where a delivery stands in the queue: when it is due, or, while it is leased, when it was due before. So it is never
-- later than what it is due at, and a claim, which moves that to the end of the lease, leaves the index as it is. The
-- version before finds its rows by what they are due at, and leaves this as it is: its own stand before all others.
ALTER TABLE saldo.delivery ADD COLUMN queued_at bigint NOT NULL DEFAULT 0;
UPDATE saldo.delivery SET queued_at = due_at;
CREATE INDEX delivery_queue ON saldo.delivery (account, queued_at, order_id);
DROP INDEX saldo.delivery_due;
ALTER TABLE saldo.delivery SET (fillfactor = 45);

-- Every order that is delivered is rewritten once, soon after it came.
ALTER TABLE saldo.orders SET (fillfactor = 60);
