//! What the store is measured beside: loops that write the same rows, by hand, and decide nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use tokio_postgres::{Client, Statement};
use uuid::Uuid;

use crate::support::Cluster;
use crate::{WAREHOUSE, account, lines, moment, scattered, tell};

/// The statements, prepared; each takes the rows of any number of orders.
struct Statements {
    known: Statement,
    balance: Statement,
    order: Statement,
    holder: Statement,
    operation: Statement,
    movement: Statement,
    log: Statement,
    delivery: Statement,
}

impl Statements {
    async fn prepare(client: &Client) -> Self {
        client.batch_execute("SET search_path = saldo; SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off").await.unwrap();
        let prepare = |sql: &'static str| async move { client.prepare(sql).await.unwrap() };
        Self {
            known: prepare("SELECT 1 FROM orders JOIN unnest($1::uuid[], $2::text[]) AS k (a, o) ON account = a AND order_id = o").await,
            balance: prepare("UPDATE balance SET quantity = quantity - taken, movements = movements + number, updated_at = $5 \
                FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[]) AS t (s, w, taken, number) \
                WHERE sku = s AND warehouse = w AND quantity >= taken RETURNING sku, quantity, movements").await,
            order: prepare("INSERT INTO orders (account, order_id, warehouse, standing, lines, operations, form_seen, shipped, touched, \
                first_operation, revisions, copy_updated_at, bought_at, created_at, updated_at) \
                SELECT a, o, $5, 'applied', l, ARRAY[f], true, false, true, f, '[\"819b5836\"]', $6, $6, $6, $6 \
                FROM unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[]) AS t (a, o, l, f)").await,
            holder: prepare("INSERT INTO line_holder SELECT * FROM unnest($1::text[], $2::uuid[], $3::text[])").await,
            operation: prepare("INSERT INTO operation (id, operation_type, status, account, order_id, lines, retry_count, max_retries, \
                waiting_for, created_at, updated_at, stock_applied_at, version) \
                SELECT i, 'deduction', 'pending', a, o, l, 0, 5, 'delivery', $5, $5, $5, 2 \
                FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[]) AS t (i, a, o, l)").await,
            movement: prepare("INSERT INTO movement SELECT s, $6, n, -1, b, i, l, false, $7 \
                FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::uuid[], $5::text[]) AS t (s, n, b, i, l)").await,
            log: prepare("INSERT INTO log SELECT o, v, i, ac, 'pending', d, $6, NULL \
                FROM unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::text[], $5::text[]) AS t (o, v, i, ac, d)").await,
            delivery: prepare("INSERT INTO delivery (account, order_id, due_at, owed_since, task, failed_read_backs, lock_name) \
                SELECT a, o, $3, $3, 'send', 0, 7 FROM unnest($1::uuid[], $2::text[]) AS t (a, o)").await,
        }
    }
}

/// Texts as long as those that the store writes.
fn lines_text(lines: &[(String, String)]) -> String {
    let line = |(id, sku): &(String, String)| {
        format!(
            "{{\"id\":\"{id}\",\"made_up\":false,\"offer\":\"10000000\",\"external\":\"{sku}\",\"quantity\":1,\"parts\":[{{\"key\":{{\"sku\":\"{sku}\",\"warehouse\":\"{WAREHOUSE}\"}},\"units\":1,\"taken\":1}}]}}"
        )
    };
    format!("[{}]", lines.iter().map(line).collect::<Vec<_>>().join(","))
}

fn operation_text(lines: &[(String, String)]) -> String {
    let line = |(id, sku): &(String, String)| {
        format!(
            "{{\"line\":\"{id}\",\"offer\":\"10000000\",\"sku\":\"{sku}\",\"quantity\":1,\"warehouse\":\"{WAREHOUSE}\"}}"
        )
    };
    format!("[{}]", lines.iter().map(line).collect::<Vec<_>>().join(","))
}

/// Writes orders in one transaction. When `in_order` says so, balances are locked in the order of their SKUs.
async fn write(client: &Client, statements: &Statements, numbers: &[usize], in_order: bool) {
    let at = moment(numbers[0]).as_microsecond();
    client.batch_execute("BEGIN").await.unwrap();
    let accounts: Vec<Uuid> = numbers.iter().map(|number| account(*number)).collect();
    let orders: Vec<String> = numbers
        .iter()
        .map(|number| scattered(*number, 0).to_string())
        .collect();
    let known = client
        .query(&statements.known, &[&accounts, &orders])
        .await
        .unwrap();
    assert!(known.is_empty());
    let operations: Vec<Uuid> = numbers
        .iter()
        .map(|number| Uuid::from_u128((*number as u128) << 64 | 7))
        .collect();
    let of_orders: Vec<Vec<(String, String)>> = numbers.iter().map(|number| lines(*number)).collect();
    let mut taken: BTreeMap<&str, i64> = BTreeMap::new();
    for (_, sku) in of_orders.iter().flatten() {
        *taken.entry(sku).or_default() += 1;
    }
    let mut balances: BTreeMap<String, (i64, i64)> = BTreeMap::new();
    let all: Vec<(&str, i64)> = taken.into_iter().collect();
    let at_once = if in_order { 1 } else { all.len() };
    for some in all.chunks(at_once) {
        let skus: Vec<&str> = some.iter().map(|(sku, _)| *sku).collect();
        let warehouses: Vec<&str> = some.iter().map(|_| WAREHOUSE).collect();
        let counts: Vec<i64> = some.iter().map(|(_, count)| *count).collect();
        let rows = client
            .query(&statements.balance, &[&skus, &warehouses, &counts, &counts, &at])
            .await
            .unwrap();
        assert_eq!(rows.len(), some.len(), "there is enough of everything");
        for (row, (_, count)) in rows.iter().zip(some) {
            balances.insert(
                row.get(0),
                (row.get::<_, i64>(1) + count, row.get::<_, i64>(2) - count),
            );
        }
    }
    let texts: Vec<String> = of_orders.iter().map(|lines| lines_text(lines)).collect();
    client
        .execute(
            &statements.order,
            &[&accounts, &orders, &texts, &operations, &WAREHOUSE, &at],
        )
        .await
        .unwrap();
    let (mut ids, mut holder_accounts, mut holder_orders) = (Vec::new(), Vec::new(), Vec::new());
    let (mut skus, mut sequences, mut after, mut causes) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (index, (id, sku)) in of_orders
        .iter()
        .enumerate()
        .flat_map(|(index, lines)| lines.iter().map(move |line| (index, line)))
    {
        let balance = balances.get_mut(sku).unwrap();
        *balance = (balance.0 - 1, balance.1 + 1);
        ids.push(id.as_str());
        holder_accounts.push(accounts[index]);
        holder_orders.push(orders[index].as_str());
        skus.push(sku.as_str());
        sequences.push(balance.1);
        after.push(balance.0);
        causes.push(operations[index]);
    }
    client
        .execute(&statements.holder, &[&ids, &holder_accounts, &holder_orders])
        .await
        .unwrap();
    let texts: Vec<String> = of_orders.iter().map(|lines| operation_text(lines)).collect();
    client
        .execute(
            &statements.operation,
            &[&operations, &accounts, &orders, &texts, &at],
        )
        .await
        .unwrap();
    client
        .execute(
            &statements.movement,
            &[&skus, &sequences, &after, &causes, &ids, &WAREHOUSE, &at],
        )
        .await
        .unwrap();
    let mut entries = (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for operation in &operations {
        for (version, action, details) in [
            (1_i64, "created", "{\"source\":\"posted\"}"),
            (2, "stock_applied", "{}"),
        ] {
            entries.0.push(*operation);
            entries.1.push(version);
            entries
                .2
                .push(Uuid::from_u128(operation.as_u128() + version as u128));
            entries.3.push(action);
            entries.4.push(details);
        }
    }
    client
        .execute(
            &statements.log,
            &[&entries.0, &entries.1, &entries.2, &entries.3, &entries.4, &at],
        )
        .await
        .unwrap();
    client
        .execute(&statements.delivery, &[&accounts, &orders, &at])
        .await
        .unwrap();
    client.batch_execute("COMMIT").await.unwrap();
}

/// One order a transaction, on several connections.
pub(crate) async fn one_a_transaction(
    cluster: &Cluster,
    database: &str,
    connections: usize,
    from: usize,
    orders: usize,
) -> f64 {
    let next = Arc::new(AtomicUsize::new(from));
    let mut clients = Vec::new();
    for _ in 0..connections {
        let client = cluster.connect(database).await;
        let statements = Statements::prepare(&client).await;
        clients.push((client, statements));
    }
    let begun = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for (client, statements) in clients {
        let next = Arc::clone(&next);
        tasks.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= from + orders {
                    return;
                }
                write(&client, &statements, &[number], true).await;
            }
        });
    }
    tasks.join_all().await;
    tell(
        &format!("a loop, one order a transaction, {connections} connections"),
        orders,
        begun,
    )
}

/// A hundred orders a statement, on one connection.
pub(crate) async fn many_a_statement(cluster: &Cluster, database: &str, from: usize, orders: usize) -> f64 {
    let client = cluster.connect(database).await;
    let statements = Statements::prepare(&client).await;
    let numbers: Vec<usize> = (from..from + orders).collect();
    let begun = Instant::now();
    for together in numbers.chunks(100) {
        write(&client, &statements, together, false).await;
    }
    tell("a loop, 100 orders a statement", orders, begun)
}
