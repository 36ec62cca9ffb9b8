//! How to mend a row that breaks an invariant: one wording for every backend. Saldo itself never writes such a row, so
//! the cause is a damaged disk, a change by hand, or a defect; a backup from before it is the surest way back.

/// The database itself is damaged.
pub const DATABASE: &str = "stop saldo and go back to the newest backup (docs/operations.md tells how); \
    reconciliation brings back what is newer";
/// A balance and its movements.
pub const BALANCE: &str = "the movements are the truth, `saldo stock movements SKU` shows them: stop saldo and go back \
    to the newest backup, or set the balance to their sum by SQL; then `saldo stock count` the goods";
/// A line and its movements.
pub const LINE: &str = "the movements are the truth, `saldo stock movements SKU` shows them: stop saldo and go back to \
    the newest backup, or set what the order's line has taken to their sum by SQL";
/// The guards that keep the ledger and the log from being changed.
pub const GUARD: &str = "it was dropped or switched off, so somebody may have changed the ledger by hand: compare it with \
    the newest backup, whose schema has the statement that makes the trigger again";
/// A line that is held by the wrong order.
pub const HOLDER: &str = "compare the orders (`saldo show ORDER`) with `saldo stock movements SKU`; stop saldo and go \
    back to the newest backup, or name the right order by SQL";
/// An operation without a next step.
pub const NO_NEXT_STEP: &str =
    "`saldo retry OPERATION` gives it one; `saldo rollback OPERATION` calls it off";
/// Two open reviews that ask the same.
pub const TWO_REVIEWS: &str = "answer both: `saldo reviews` lists them, `saldo resolve REVIEW` answers";
/// An operation that its order does not name.
pub const UNNAMED: &str =
    "stop saldo and go back to the newest backup, or add the operation to its order by SQL";
/// A balance that fell below zero.
pub const BELOW_ZERO: &str = "`saldo stock count` the goods; the movement itself stays, and stays told";
/// A flag that is owed for an order of which nothing was moved.
pub const OWED_UNTOUCHED: &str = "look at the order (`saldo show ORDER`); stop saldo and go back to the newest backup, \
    or end what is owed for it by SQL";
/// An operation under delivery that nobody delivers.
pub const UNLEASED: &str = "stop saldo and go back to the newest backup, or set the operation to pending by SQL and \
    then `saldo retry OPERATION`";
/// An operation and its log.
pub const LOG: &str = "the log is the truth, `saldo show OPERATION` tells it: stop saldo and go back to the newest \
    backup, or set the operation to what its last entry says by SQL";
