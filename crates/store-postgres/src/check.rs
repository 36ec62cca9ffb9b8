//! The invariants of section 3 of the design, looked for in the stored rows, and the database's own integrity. All
//! questions are asked in one snapshot, so what other instances do meanwhile disturbs nothing.

use saldo_store::mend;
use saldo_store::query::Violation;

use crate::failure::Failure;
use crate::session::Session;
use crate::sql::{get, row_limit, values};

/// The most violations that a check reports.
const VIOLATIONS_MAX: usize = 1_000;

/// One question that finds rows which break an invariant. Its single column says which, and what is wrong.
struct Rule {
    invariant: u8,
    mend: &'static str,
    sql: &'static str,
}

/// Everything that is wrong, at most [`VIOLATIONS_MAX`].
pub(crate) async fn check(session: &Session) -> Result<Vec<Violation>, Failure> {
    let mut found = Vec::new();
    for rule in RULES {
        let left = VIOLATIONS_MAX.saturating_sub(found.len());
        let sql = format!("SELECT detail FROM ({}) AS found (detail) LIMIT $1", rule.sql);
        let details: Vec<String> = session
            .many(&sql, values![row_limit(left)], |row| get(row, 0))
            .await?;
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
        invariant: 0,
        mend: "make the index again with REINDEX INDEX CONCURRENTLY",
        sql: "SELECT 'index ' || class.relname || ' is not valid' FROM pg_index \
              JOIN pg_class AS class ON class.oid = pg_index.indexrelid \
              JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace \
              WHERE namespace.nspname = 'saldo' AND NOT pg_index.indisvalid",
    },
    Rule {
        invariant: 0,
        mend: mend::DATABASE,
        sql: "SELECT checksum_failures || ' pages were read whose checksum is wrong' FROM pg_stat_database \
              WHERE datname = current_database() AND checksum_failures > 0",
    },
    Rule {
        invariant: 1,
        mend: mend::BALANCE,
        sql: "SELECT 'movement ' || sequence || ' of ' || sku || ' in ' || warehouse \
              || ' does not follow the one before' \
              FROM (SELECT sku, warehouse, sequence, quantity, balance_after, \
                        lag(balance_after, 1, 0::bigint) OVER series AS balance_before, \
                        lag(sequence, 1, 0::bigint) OVER series AS sequence_before \
                    FROM saldo.movement WINDOW series AS (PARTITION BY sku, warehouse ORDER BY sequence)) AS moved \
              WHERE balance_after <> balance_before + quantity OR sequence <> sequence_before + 1",
    },
    Rule {
        invariant: 1,
        mend: mend::BALANCE,
        sql: "SELECT sku || ' in ' || warehouse || ' has movements and no balance' \
              FROM (SELECT DISTINCT sku, warehouse FROM saldo.movement \
                    EXCEPT SELECT sku, warehouse FROM saldo.balance) AS moved",
    },
    Rule {
        invariant: 1,
        mend: mend::BALANCE,
        sql: "SELECT 'the balance of ' || sku || ' in ' || warehouse || ' is not the sum of its movements' \
              FROM saldo.balance LEFT JOIN (SELECT sku, warehouse, sum(quantity) AS total, count(*) AS number \
                  FROM saldo.movement GROUP BY sku, warehouse) AS moved USING (sku, warehouse) \
              WHERE quantity <> coalesce(total, 0) OR movements <> coalesce(number, 0)",
    },
    Rule {
        invariant: 2,
        mend: mend::LINE,
        sql: "SELECT 'line ' || line || ' and its movements of ' || sku || ' in ' || warehouse || ' differ by ' \
              || sum(quantity) \
              FROM (SELECT line, sku, warehouse, quantity FROM saldo.movement WHERE line IS NOT NULL \
                    UNION ALL \
                    SELECT line ->> 'id', part -> 'key' ->> 'sku', part -> 'key' ->> 'warehouse', \
                        (part ->> 'taken')::bigint \
                    FROM saldo.orders, jsonb_array_elements(orders.lines::jsonb) AS line, \
                        jsonb_array_elements(line -> 'parts') AS part) AS moved \
              GROUP BY line, sku, warehouse HAVING sum(quantity) <> 0",
    },
    Rule {
        invariant: 2,
        mend: mend::LINE,
        sql: "SELECT 'line ' || (line ->> 'id') || ' has taken less than nothing' \
              FROM saldo.orders, jsonb_array_elements(orders.lines::jsonb) AS line, \
                  jsonb_array_elements(line -> 'parts') AS part \
              WHERE (part ->> 'taken')::bigint < 0",
    },
    Rule {
        invariant: 4,
        mend: mend::NO_NEXT_STEP,
        sql: "SELECT 'operation ' || operation.id || ' of order ' || coalesce(operation.order_id, '(none)') \
              || ' has no next step' \
              FROM saldo.operation \
              WHERE status IN ('pending', 'processing', 'failed') AND NOT (account IS NOT NULL \
              AND EXISTS (SELECT 1 FROM saldo.orders WHERE orders.account = operation.account \
                  AND orders.order_id = operation.order_id) \
              AND CASE \
                  WHEN status = 'failed' OR (status = 'pending' AND waiting_for = 'review') THEN \
                      EXISTS (SELECT 1 FROM saldo.review WHERE review.id = operation.review \
                          AND review.answered_at IS NULL) OR EXISTS (SELECT 1 FROM saldo.review \
                          WHERE review.account = operation.account AND review.order_id = operation.order_id \
                          AND review.answered_at IS NULL AND review.operation = operation.id) \
                  WHEN status = 'processing' OR waiting_for IN ('delivery', 'account') THEN \
                      EXISTS (SELECT 1 FROM saldo.delivery WHERE delivery.account = operation.account \
                          AND delivery.order_id = operation.order_id) \
                  ELSE coalesce(waiting_for IN ('payment', 'stock'), false) END)",
    },
    Rule {
        invariant: 5,
        mend: mend::BELOW_ZERO,
        sql: "SELECT 'movement ' || sequence || ' of ' || sku || ' in ' || warehouse || ' fell below zero' \
              FROM saldo.movement WHERE balance_after < 0 AND quantity < 0 AND NOT negative_allowed",
    },
    Rule {
        invariant: 6,
        mend: mend::OWED_UNTOUCHED,
        sql: "SELECT 'order ' || delivery.order_id || ' owes the service its flag, but nothing of it was ever moved' \
              FROM saldo.delivery LEFT JOIN saldo.orders USING (account, order_id) WHERE orders.touched IS NOT TRUE",
    },
    Rule {
        invariant: 7,
        mend: mend::UNLEASED,
        sql: "SELECT 'operation ' || operation.id || ' is under delivery without a lease' \
              FROM saldo.operation WHERE status = 'processing' \
              AND NOT EXISTS (SELECT 1 FROM saldo.delivery WHERE delivery.account = operation.account \
                  AND delivery.order_id = operation.order_id AND delivery.lease_token IS NOT NULL)",
    },
    // The clean-up may have removed the log of what was finished: all of it, as it was then.
    Rule {
        invariant: 8,
        mend: mend::LOG,
        sql: "SELECT 'entry ' || version || ' of operation ' || operation || ' does not follow' \
              FROM (SELECT operation, version, status, lag(version, 1, 0::bigint) OVER history AS version_before, \
                        lag(status) OVER history AS status_before \
                    FROM saldo.log WINDOW history AS (PARTITION BY operation ORDER BY version)) AS entry \
              WHERE (version <> version_before + 1 AND (status_before IS NOT NULL OR EXISTS ( \
                  SELECT 1 FROM saldo.operation WHERE operation.id = entry.operation \
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
        sql: "SELECT 'operation ' || operation.id || ' is not as its log says' FROM saldo.operation \
              LEFT JOIN LATERAL (SELECT log.version, log.status FROM saldo.log \
                  WHERE log.operation = operation.id ORDER BY log.version DESC LIMIT 1) AS newest ON true \
              WHERE (newest.version, newest.status) IS DISTINCT FROM (operation.version, operation.status) \
              AND (operation.status IN ('pending', 'processing', 'failed') OR newest.version IS NOT NULL)",
    },
    Rule {
        invariant: 4,
        mend: mend::TWO_REVIEWS,
        sql: "SELECT 'review ' || max(id::text) || ' asks what another open one asks' FROM saldo.review \
              WHERE answered_at IS NULL GROUP BY reason, account, order_id HAVING count(*) > 1",
    },
    Rule {
        invariant: 2,
        mend: mend::HOLDER,
        sql: "SELECT 'line ' || line_holder.line_item_id || ' is held by an order that does not have it' \
              FROM saldo.line_holder LEFT JOIN saldo.orders USING (account, order_id) \
              WHERE NOT EXISTS (SELECT 1 FROM jsonb_array_elements(orders.lines::jsonb) AS line \
                  WHERE line ->> 'id' = line_holder.line_item_id)",
    },
    Rule {
        invariant: 4,
        mend: mend::UNNAMED,
        sql: "SELECT 'operation ' || operation.id || ' is not named by its order ' || operation.order_id \
              FROM saldo.operation LEFT JOIN saldo.orders USING (account, order_id) \
              WHERE operation.account IS NOT NULL AND (operation.id = ANY (orders.operations)) IS NOT TRUE",
    },
    Rule {
        invariant: 9,
        mend: mend::GUARD,
        sql: "SELECT 'the trigger ' || guard || ' that guards the ledger against changes is not there, or is off' \
              FROM unnest(ARRAY['movement_is_append_only', 'log_is_never_changed', 'log_is_removed_when_finished', \
                  'operation_is_removed_when_finished', 'order_is_never_removed']) AS guard \
              WHERE guard NOT IN (SELECT tgname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid \
                  WHERE relnamespace = 'saldo'::regnamespace AND tgenabled IN ('O', 'A'))",
    },
];
