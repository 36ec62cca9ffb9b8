-- Since when an instance makes no deliveries, because the orders service answers others and not this one. The version
-- before does not know of it, and is taken for one that reaches the service.
ALTER TABLE saldo.instance ADD COLUMN aside_since bigint;
