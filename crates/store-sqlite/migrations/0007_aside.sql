-- Since when an instance makes no deliveries, because the orders service answers others and not this one. One works on a
-- file, so there are no others; the column is here because all stores tell the same of an instance.
ALTER TABLE instance ADD COLUMN aside_since INTEGER;
