//! Every bound of the ledger, and the relations between them.

/// The largest quantity of one line, in units. More is refused with 422.
pub const QUANTITY_MAX: i64 = 1_000_000;
/// The largest balance or sum, in units, that arithmetic may reach. Far from overflow, far above any warehouse.
pub const BALANCE_MAX: i64 = 1_000_000_000_000;
/// Lines of one order or one stock document. Allegro's own orders stay below 100.
pub const LINES_MAX: usize = 1_000;
/// Lines of a stock list that is brought over in one transaction: its operations have [`LINES_MAX`] each.
pub const IMPORT_LINES_MAX: usize = 100_000;
/// SKUs that one offer may stand for (sets, multipacks).
pub const COMPONENTS_MAX: usize = 100;
/// Characters of a SKU. Allegro's `offer.external.id` has at most 100.
pub const SKU_CHARACTERS_MAX: usize = 200;
/// Characters of a warehouse's name.
pub const WAREHOUSE_CHARACTERS_MAX: usize = 100;
/// Bytes of an id that comes from Allegro.
pub const FOREIGN_ID_BYTES_MAX: usize = 128;
/// Characters of a reason or a note that a person writes.
pub const NOTE_CHARACTERS_MAX: usize = 2_000;
/// Characters of an error that is stored with an operation.
pub const ERROR_CHARACTERS_MAX: usize = 500;
/// Revisions remembered of one order; of more, the oldest is forgotten.
pub const REVISIONS_MAX: usize = 32;
/// Orders tried again in one transaction after a receipt or a mapping; the rest follow in further ones.
pub const RETRIED_TOGETHER_MAX: usize = 100;
/// Problems reported of one input; further ones are counted, not listed.
pub const PROBLEMS_MAX: usize = 100;

const _: () = assert!(QUANTITY_MAX * (LINES_MAX as i64) * (COMPONENTS_MAX as i64) < i64::MAX / 2);
