//! Which tables are looked at, and a row of one.

/// A table of the original system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Table {
    /// What lies where.
    Stock,
    /// What was taken for orders.
    Sale,
    /// Flags that were not confirmed at once.
    PendingOperations,
    /// What became of them.
    Logs,
    /// Orders of the accounts: only to tell which account an order is of.
    Orders,
}

/// The names that tables go by: those of the documents, and those that the program gives by itself.
const NAMES: [(Table, &[&str]); 5] = [
    (Table::Stock, &["stock", "stocks"]),
    (Table::Sale, &["sale", "sales"]),
    (
        Table::PendingOperations,
        &[
            "pending_stock_operations",
            "pending_stock_operation",
            "pendingstockoperation",
        ],
    ),
    (
        Table::Logs,
        &[
            "stock_synchronization_logs",
            "stock_synchronization_log",
            "stocksynchronizationlog",
        ],
    ),
    (
        Table::Orders,
        &["allegro_orders", "allegro_order", "allegroorders", "allegroorder"],
    ),
];

impl Table {
    /// The table of a name.
    pub(crate) fn of(name: &str) -> Option<Self> {
        let name = name.trim().to_lowercase();
        let known = NAMES.iter().find(|(_, names)| names.contains(&name.as_str()));
        known.map(|(table, _)| *table)
    }

    /// Its name for people.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Stock => "stock",
            Self::Sale => "sale",
            Self::PendingOperations => "pending_stock_operations",
            Self::Logs => "stock_synchronization_logs",
            Self::Orders => "allegro_orders",
        }
    }

    /// All names, for people.
    pub(crate) fn names() -> String {
        NAMES.map(|(table, _)| table.name()).join(", ")
    }
}

/// One row.
pub(crate) struct Record<'r> {
    /// Which row of its table, from 1.
    pub(crate) number: u64,
    pub(crate) columns: &'r [String],
    pub(crate) values: &'r [Option<String>],
}

impl Record<'_> {
    /// The value of the first of some columns that has one. Blanks are none.
    pub(crate) fn get(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| {
            let index = self
                .columns
                .iter()
                .position(|column| column.eq_ignore_ascii_case(name))?;
            let value = self.values.get(index)?.as_deref()?.trim();
            (!value.is_empty()).then_some(value)
        })
    }
}

/// Takes rows as they come. An error ends the reading.
pub(crate) trait Sink {
    /// One row of a table.
    fn record(&mut self, table: Table, record: &Record<'_>) -> anyhow::Result<()>;
}
