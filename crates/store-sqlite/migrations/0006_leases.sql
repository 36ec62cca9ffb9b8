-- Leases end when the program starts: the few that there are must be found without reading all that is owed.
CREATE INDEX delivery_leased ON orders (lease_until) WHERE lease_token IS NOT NULL;
