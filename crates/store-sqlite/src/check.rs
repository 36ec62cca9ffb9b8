//! The invariants of section 3 of the design, looked for in the stored rows, and the file's own integrity.

use rusqlite::{Connection, params};
use saldo_store::mend;
use saldo_store::query::Violation;

use crate::failure::Failure;
use crate::sql::{many, string};

/// The most violations that a check reports.
const VIOLATIONS_MAX: usize = 1_000;

/// One question that finds rows which break an invariant. Its single column says which, and what is wrong.
struct Rule {
    invariant: u8,
    mend: &'static str,
    sql: &'static str,
}

/// Everything that is wrong, at most [`VIOLATIONS_MAX`].
pub(crate) fn check(connection: &Connection) -> Result<Vec<Violation>, Failure> {
    let mut found = Vec::new();
    for problem in many(connection, "PRAGMA integrity_check(100)", [], |row| {
        string(row, 0)
    })? {
        if problem != "ok" {
            found.push(Violation {
                invariant: 0,
                detail: problem,
                mend: mend::DATABASE.to_owned(),
            });
        }
    }
    for rule in RULES {
        let left = VIOLATIONS_MAX.saturating_sub(found.len());
        let sql = format!("SELECT * FROM ({}) LIMIT ?1", rule.sql);
        let details = many(connection, &sql, params![left as i64], |row| string(row, 0))?;
        found.extend(details.into_iter().map(|detail| Violation {
            invariant: rule.invariant,
            detail,
            mend: rule.mend.to_owned(),
        }));
    }
    Ok(found)
}

const RULES: &[Rule] = &[
    Rule {
        invariant: 1,
        mend: mend::BALANCE,
        sql: "SELECT 'movement ' || sequence || ' of ' || sku || ' in ' || warehouse \
              || ' does not follow the one before' \
              FROM (SELECT sku, warehouse, sequence, quantity, balance_after, \
                        lag(balance_after, 1, 0) OVER series AS balance_before, \
                        lag(sequence, 1, 0) OVER series AS sequence_before \
                    FROM movement WINDOW series AS (PARTITION BY sku, warehouse ORDER BY sequence)) \
              WHERE balance_after <> balance_before + quantity OR sequence <> sequence_before + 1",
    },
    Rule {
        invariant: 1,
        mend: mend::BALANCE,
        sql: "SELECT sku || ' in ' || warehouse || ' has movements and no balance' \
              FROM (SELECT DISTINCT sku, warehouse FROM movement EXCEPT SELECT sku, warehouse FROM balance)",
    },
    Rule {
        invariant: 1,
        mend: mend::BALANCE,
        sql: "SELECT 'the balance of ' || sku || ' in ' || warehouse || ' is not the sum of its movements' \
              FROM balance WHERE (quantity, movements) <> ( \
                  SELECT ifnull(sum(movement.quantity), 0), count(*) FROM movement \
                  WHERE movement.sku = balance.sku AND movement.warehouse = balance.warehouse)",
    },
    Rule {
        invariant: 2,
        mend: mend::LINE,
        sql: "SELECT 'line ' || line || ' and its movements of ' || sku || ' in ' || warehouse || ' differ by ' \
              || sum(quantity) \
              FROM (SELECT line, sku, warehouse, quantity FROM movement WHERE line IS NOT NULL \
                    UNION ALL \
                    SELECT line.value ->> 'id', part.value -> 'key' ->> 'sku', part.value -> 'key' ->> 'warehouse', \
                        part.value ->> 'taken' \
                    FROM orders, json_each(orders.lines) AS line, json_each(line.value -> 'parts') AS part) \
              GROUP BY line, sku, warehouse HAVING sum(quantity) <> 0",
    },
    Rule {
        invariant: 2,
        mend: mend::LINE,
        sql: "SELECT 'line ' || (line.value ->> 'id') || ' has taken less than nothing' \
              FROM orders, json_each(orders.lines) AS line, json_each(line.value -> 'parts') AS part \
              WHERE part.value ->> 'taken' < 0",
    },
    Rule {
        invariant: 4,
        mend: mend::NO_NEXT_STEP,
        sql: "SELECT 'operation ' || hex(operation.id) || ' of order ' || ifnull(operation.order_id, '(none)') \
              || ' has no next step' \
              FROM operation INDEXED BY operation_unfinished \
              WHERE (status = 'pending' OR status = 'processing' OR status = 'failed') AND NOT (account IS NOT NULL \
              AND EXISTS (SELECT 1 FROM orders WHERE orders.account = operation.account \
                  AND orders.order_id = operation.order_id) \
              AND CASE \
                  WHEN status = 'failed' OR (status = 'pending' AND waiting_for = 'review') THEN \
                      EXISTS (SELECT 1 FROM review WHERE review.id = operation.review \
                          AND review.answered_at IS NULL) OR EXISTS (SELECT 1 FROM review \
                          WHERE review.account = operation.account AND review.order_id = operation.order_id \
                          AND review.answered_at IS NULL AND review.operation = operation.id) \
                  WHEN status = 'processing' OR waiting_for IN ('delivery', 'account') THEN \
                      EXISTS (SELECT 1 FROM orders WHERE orders.account = operation.account \
                          AND orders.order_id = operation.order_id AND due_at IS NOT NULL) \
                  ELSE waiting_for IN ('payment', 'stock') AND waiting_for IS NOT NULL END)",
    },
    Rule {
        invariant: 5,
        mend: mend::BELOW_ZERO,
        sql: "SELECT 'movement ' || sequence || ' of ' || sku || ' in ' || warehouse || ' fell below zero' \
              FROM movement WHERE balance_after < 0 AND quantity < 0 AND negative_allowed = 0",
    },
    Rule {
        invariant: 6,
        mend: mend::OWED_UNTOUCHED,
        sql: "SELECT 'order ' || order_id || ' owes the service its flag, but nothing of it was ever moved' \
              FROM orders WHERE due_at IS NOT NULL AND touched = 0",
    },
    Rule {
        invariant: 7,
        mend: mend::UNLEASED,
        sql: "SELECT 'operation ' || hex(operation.id) || ' is under delivery without a lease' \
              FROM operation INDEXED BY operation_unfinished WHERE status = 'processing' \
              AND NOT EXISTS (SELECT 1 FROM orders WHERE orders.account = operation.account \
                  AND orders.order_id = operation.order_id AND orders.lease_token IS NOT NULL)",
    },
    // The clean-up may have removed the log of what was finished: all of it, as it was then.
    Rule {
        invariant: 8,
        mend: mend::LOG,
        sql: "SELECT 'entry ' || version || ' of operation ' || hex(operation) || ' does not follow' \
              FROM (SELECT operation, version, status, lag(version, 1, 0) OVER history AS version_before, \
                        lag(status) OVER history AS status_before \
                    FROM log WINDOW history AS (PARTITION BY operation ORDER BY version)) AS entry \
              WHERE (version <> version_before + 1 AND (status_before IS NOT NULL OR EXISTS ( \
                  SELECT 1 FROM operation WHERE operation.id = entry.operation \
                  AND operation.status IN ('pending', 'processing', 'failed')))) \
              OR NOT (status_before IS NULL OR status_before = status \
              OR (status_before = 'pending' AND status = 'processing') \
              OR (status_before = 'processing' AND status IN ('completed', 'pending', 'failed')) \
              OR (status_before = 'failed' AND status = 'pending') \
              OR (status_before <> 'rolled_back' AND status = 'rolled_back'))",
    },
    Rule {
        invariant: 8,
        mend: mend::LOG,
        sql: "SELECT 'operation ' || hex(operation.id) || ' is not as its log says' FROM operation \
              WHERE (SELECT log.version || log.status FROM log WHERE log.operation = operation.id \
                     ORDER BY log.version DESC LIMIT 1) IS NOT operation.version || operation.status \
              AND (status IN ('pending', 'processing', 'failed') \
                  OR EXISTS (SELECT 1 FROM log WHERE log.operation = operation.id))",
    },
    Rule {
        invariant: 4,
        mend: mend::TWO_REVIEWS,
        sql: "SELECT 'review ' || hex(max(id)) || ' asks what another open one asks' FROM review \
              WHERE answered_at IS NULL GROUP BY reason, account, order_id HAVING count(*) > 1",
    },
    Rule {
        invariant: 2,
        mend: mend::HOLDER,
        sql: "SELECT 'line ' || line_holder.line_item_id || ' is held by an order that does not have it' \
              FROM line_holder LEFT JOIN orders ON orders.number = line_holder.holder \
              WHERE NOT EXISTS (SELECT 1 FROM json_each(orders.lines) AS line \
                  WHERE line.value ->> 'id' = line_holder.line_item_id)",
    },
    Rule {
        invariant: 4,
        mend: mend::UNNAMED,
        sql: "SELECT 'operation ' || hex(operation.id) || ' is not named by its order ' || operation.order_id \
              FROM operation LEFT JOIN orders USING (account, order_id) \
              WHERE operation.account IS NOT NULL AND ifnull(instr(orders.operations, operation.id), 0) = 0",
    },
    Rule {
        invariant: 9,
        mend: mend::GUARD,
        sql: "SELECT 'the trigger ' || guard.value || ' that guards the ledger against changes is not there' \
              FROM json_each('[\"movement_is_never_changed\", \"movement_is_never_removed\", \"log_is_never_changed\", \
                  \"log_is_removed_when_finished\", \"operation_is_removed_when_finished\", \"order_is_never_removed\"]') \
                  AS guard \
              WHERE guard.value NOT IN (SELECT name FROM sqlite_schema WHERE type = 'trigger')",
    },
];
