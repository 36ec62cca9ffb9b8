//! The tables of a copy. They are those of the databases, less what belongs to running servers: leases of tasks,
//! instances, circuits, marks of commits, numbers that only one kind of database gives.
//!
//! Every column is copied as it is stored: moments as microseconds, nested things as their JSON.

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A text.
    Text,
    /// A whole number.
    Integer,
    /// Yes or no.
    Flag,
    /// A UUID.
    Uuid,
    /// UUIDs, in order.
    Uuids,
}

/// A column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Its name, in every backend.
    pub name: &'static str,
    /// What it holds, where it is not empty.
    pub kind: Kind,
}

/// A table.
#[derive(Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name, in every backend.
    pub name: &'static str,
    /// Its columns.
    pub columns: &'static [Column],
    /// The column whose sum is compared, for people: all rows are compared anyway.
    pub summed: Option<&'static str>,
    /// The column by whose values rows are counted, for people.
    pub counted_by: Option<&'static str>,
}

impl Table {
    /// The table of a name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<&'static Self> {
        TABLES.iter().find(|table| table.name == name)
    }

    /// The names of its columns, as a list of them in SQL.
    #[must_use]
    pub fn column_list(&self) -> String {
        let names: Vec<&str> = self.columns.iter().map(|column| column.name).collect();
        names.join(", ")
    }

    pub(super) fn position(&self, column: Option<&str>) -> Option<usize> {
        self.columns
            .iter()
            .position(|candidate| Some(candidate.name) == column)
    }
}

const fn text(name: &'static str) -> Column {
    let kind = Kind::Text;
    Column { name, kind }
}

const fn integer(name: &'static str) -> Column {
    let kind = Kind::Integer;
    Column { name, kind }
}

const fn flag(name: &'static str) -> Column {
    let kind = Kind::Flag;
    Column { name, kind }
}

const fn uuid(name: &'static str) -> Column {
    let kind = Kind::Uuid;
    Column { name, kind }
}

const fn table(name: &'static str, columns: &'static [Column]) -> Table {
    Table {
        name,
        columns,
        summed: None,
        counted_by: None,
    }
}

const fn summed(name: &'static str, column: &'static str, columns: &'static [Column]) -> Table {
    let mut table = table(name, columns);
    table.summed = Some(column);
    table
}

const fn counted(name: &'static str, column: &'static str, columns: &'static [Column]) -> Table {
    let mut table = table(name, columns);
    table.counted_by = Some(column);
    table
}

/// All tables, in the order in which they are copied: orders come before what points at them. `delivery` is a part of
/// the orders in SQLite. The lease of a delivery comes along: the call that it stands for may still be under way, and
/// when it is over, the delivery is due again.
pub static TABLES: &[Table] = &[
    counted("orders", "standing", ORDERS),
    table("delivery", DELIVERY),
    table(
        "line_holder",
        &[text("line_item_id"), uuid("account"), text("order_id")],
    ),
    counted("operation", "status", OPERATION),
    table("log", LOG),
    summed("movement", "quantity", MOVEMENT),
    summed(
        "balance",
        "quantity",
        &[
            text("sku"),
            text("warehouse"),
            integer("quantity"),
            integer("movements"),
            integer("updated_at"),
        ],
    ),
    table("review", REVIEW),
    table(
        "stock_wait",
        &[
            text("sku"),
            text("warehouse"),
            integer("order_created_at"),
            uuid("account"),
            text("order_id"),
        ],
    ),
    table("wish", &[uuid("account"), text("order_id"), integer("wished_at")]),
    table(
        "mapping",
        &[
            uuid("account"),
            text("offer"),
            text("components"),
            integer("updated_at"),
        ],
    ),
    table(
        "answer",
        &[
            text("key"),
            text("fingerprint"),
            text("outcome"),
            integer("at"),
            text("final_answer"),
        ],
    ),
    table(
        "account",
        &[uuid("id"), text("name"), flag("by_hand"), integer("created_at")],
    ),
    // In the order in which they were made.
    table(
        "api_key",
        &[
            text("name"),
            text("role"),
            text("hash"),
            integer("created_at"),
            integer("revoked_at"),
        ],
    ),
    table("rollout", ROLLOUT),
    table("stock_count", &[integer("at")]),
    table("shadow_order", SHADOW_ORDER),
    table(
        "watermark",
        &[
            uuid("account"),
            integer("landed"),
            integer("last_pass_at"),
            integer("last_full_pass_at"),
            integer("last_full_total"),
        ],
    ),
    table("reconciliation_run", RECONCILIATION_RUN),
    counted("discrepancy", "resolution", DISCREPANCY),
    table("task_state", TASK_STATE),
    table("alert", ALERT),
    counted("alert_message", "status", ALERT_MESSAGE),
    table("report", &[uuid("id"), text("head"), text("figures")]),
];

const ORDERS: &[Column] = &[
    uuid("account"),
    text("order_id"),
    text("warehouse"),
    text("standing"),
    text("standing_detail"),
    text("lines"),
    Column {
        name: "operations",
        kind: Kind::Uuids,
    },
    flag("form_seen"),
    flag("shipped"),
    flag("touched"),
    flag("flag_confirmed"),
    integer("flag_confirmed_at"),
    uuid("first_operation"),
    text("revisions"),
    integer("copy_updated_at"),
    integer("bought_at"),
    text("awaited"),
    text("answered"),
    integer("created_at"),
    integer("updated_at"),
];

const DELIVERY: &[Column] = &[
    uuid("account"),
    text("order_id"),
    integer("due_at"),
    integer("owed_since"),
    text("task"),
    integer("failed_read_backs"),
    uuid("lease_token"),
    integer("lease_until"),
    flag("lease_flag"),
    integer("sent_true_at"),
    integer("sent_false_at"),
];

const OPERATION: &[Column] = &[
    uuid("id"),
    text("operation_type"),
    text("status"),
    uuid("account"),
    text("order_id"),
    text("lines"),
    integer("retry_count"),
    integer("max_retries"),
    integer("next_retry_at"),
    text("error_message"),
    text("waiting_for"),
    integer("created_at"),
    integer("updated_at"),
    integer("stock_applied_at"),
    integer("completed_at"),
    uuid("rolled_back_by"),
    uuid("rolls_back"),
    uuid("review"),
    integer("version"),
];

const LOG: &[Column] = &[
    uuid("operation"),
    integer("version"),
    uuid("id"),
    text("action"),
    text("status"),
    text("details"),
    integer("at"),
    integer("execution_time_ms"),
];

const MOVEMENT: &[Column] = &[
    text("sku"),
    text("warehouse"),
    integer("sequence"),
    integer("quantity"),
    integer("balance_after"),
    uuid("operation"),
    text("line"),
    flag("negative_allowed"),
    integer("at"),
];

const REVIEW: &[Column] = &[
    uuid("id"),
    text("reason"),
    uuid("account"),
    text("order_id"),
    uuid("operation"),
    text("details"),
    integer("opened_at"),
    integer("answered_at"),
    text("answered_by"),
    text("resolution"),
    text("note"),
];

const ROLLOUT: &[Column] = &[
    integer("number"),
    text("mode"),
    text("accounts"),
    integer("percent"),
    integer("start_from"),
    integer("changed_at"),
    text("changed_by"),
];

const SHADOW_ORDER: &[Column] = &[
    uuid("account"),
    text("order_id"),
    integer("seen_at"),
    text("would"),
    text("details"),
    flag("remote_flag"),
    integer("compared_at"),
    text("verdict"),
];

const RECONCILIATION_RUN: &[Column] = &[
    uuid("id"),
    text("scope"),
    text("started_by"),
    integer("started_at"),
    integer("ended_at"),
    text("outcome"),
    text("error"),
    text("tally"),
    text("place"),
];

const DISCREPANCY: &[Column] = &[
    uuid("id"),
    uuid("account"),
    text("order_id"),
    text("kind"),
    text("local"),
    text("remote"),
    text("resolution"),
    uuid("review"),
    uuid("run"),
    integer("times_seen"),
    integer("first_seen_at"),
    integer("last_seen_at"),
    integer("closed_at"),
];

const TASK_STATE: &[Column] = &[
    text("name"),
    integer("last_started_at"),
    integer("last_ended_at"),
    flag("last_succeeded"),
    text("last_detail"),
    integer("last_due_at"),
    integer("next_run_at"),
];

const ALERT: &[Column] = &[
    uuid("id"),
    text("kind"),
    uuid("account"),
    text("task"),
    text("severity"),
    text("facts"),
    integer("peak"),
    integer("begun_at"),
    integer("cleared_at"),
    integer("quiet_seconds"),
    integer("first_told_at"),
    integer("told_at"),
    integer("told_count"),
    integer("reminders"),
    text("acknowledged"),
    integer("ended_at"),
    integer("delivered"),
    integer("version"),
];

const ALERT_MESSAGE: &[Column] = &[
    uuid("id"),
    text("channel"),
    integer("created_at"),
    integer("due_at"),
    text("entries"),
    text("status"),
    integer("attempts"),
    integer("next_at"),
    text("last_error"),
    integer("ended_at"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_summed_or_counted_is_a_column_of_its_table() {
        for table in TABLES {
            for column in [table.summed, table.counted_by].into_iter().flatten() {
                assert!(table.position(Some(column)).is_some(), "{}", table.name);
            }
            assert_eq!(Table::of_name(table.name), Some(table));
        }
    }
}
