//! Orders in shadow: what Saldo would have done, beside what the service shows was done.
