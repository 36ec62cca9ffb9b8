-- Since when an instance makes no deliveries, because the orders service answers others and not this one. The version
-- before does not know of it, and is taken for one that reaches the service.
ALTER TABLE saldo.instance ADD COLUMN aside_since bigint;

-- The newest schema that an instance knows, so that what only earlier ones need goes when the last of them has ended. They
-- do not tell it.
ALTER TABLE saldo.instance ADD COLUMN schema_version bigint NOT NULL DEFAULT 0;
