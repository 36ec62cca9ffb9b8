//! The proof: both sides, read over HTTP and compared order by order.

use std::collections::BTreeMap;

use anyhow::Context;
use serde_json::Value;

use super::house::House;

/// What the comparison found.
#[derive(Debug)]
pub(crate) struct Proof {
    /// Orders compared.
    pub(crate) orders: usize,
    /// Those whose stock is taken, here and there.
    pub(crate) deducted: usize,
    /// Those whose stock was given back.
    pub(crate) given_back: usize,
    /// Sentences about what does not agree; empty when all does.
    pub(crate) differences: Vec<String>,
}

impl Proof {
    /// Whether both sides agree on every order.
    pub(crate) const fn holds(&self) -> bool {
        self.differences.is_empty()
    }
}

/// Compares every order, then the ledger with itself.
pub(super) async fn compare(house: &House, orders: &[String]) -> anyhow::Result<Proof> {
    let remote = remote_flags(house).await?;
    let mut differences = Vec::new();
    let (mut deducted, mut given_back) = (0, 0);
    for order in orders {
        let known = house
            .get(&format!("/api/v1/stock-sync/orders/{}/{order}", house.account))
            .await?;
        let level = known["flag"]["level"]
            .as_bool()
            .context("an order without a level")?;
        let flag = remote.get(order).copied().unwrap_or(false);
        if level {
            deducted += 1
        } else {
            given_back += 1
        }
        if level != flag {
            differences.push(format!(
                "order {order}: deducted here: {level}, flag at the orders service: {flag}"
            ));
        }
    }
    let calls = house.ask_simulator("calls").await?;
    if calls["overlapping_patches_max"].as_u64().unwrap_or(u64::MAX) > 1 {
        differences.push("two calls for one order overlapped".to_owned());
    }
    let violations = house.violations().await?;
    if violations > 0 {
        differences.push(format!("{violations} invariants of the ledger are broken"));
    }
    tell(house, orders.len(), deducted, given_back, &differences);
    Ok(Proof {
        orders: orders.len(),
        deducted,
        given_back,
        differences,
    })
}

async fn remote_flags(house: &House) -> anyhow::Result<BTreeMap<String, bool>> {
    let flags = house.ask_simulator("flags").await?;
    let rows = flags.as_array().context("the simulator's flags are no list")?;
    let flag = |row: &Value| {
        Some((
            row["order_id"].as_str()?.to_owned(),
            row["is_stock_updated"].as_bool()?,
        ))
    };
    Ok(rows.iter().filter_map(flag).collect())
}

fn tell(house: &House, orders: usize, deducted: usize, given_back: usize, differences: &[String]) {
    house.say(
        "Proof",
        &format!("{orders} orders, each read from both sides over HTTP and compared:"),
    );
    house.say(
        "",
        &format!("{deducted:>6}  deducted here, and marked as deducted at the orders service"),
    );
    house.say(
        "",
        &format!("{given_back:>6}  given back here, and not marked there"),
    );
    let word = if differences.len() == 1 {
        "difference"
    } else {
        "differences"
    };
    house.say("", &format!("{:>6}  {word}", differences.len()));
    for difference in differences {
        house.say("", &format!("        {difference}"));
    }
    if differences.is_empty() {
        house.say(
            "",
            "every balance is the sum of its movements; no two calls for one order overlapped",
        );
    }
}
