//! Things go wrong behind Saldo's back, and reconciliation finds every one of them.

use anyhow::{Context, bail};
use serde_json::{Value, json};
use uuid::Uuid;

use super::forms;
use super::house::House;
use super::story::drain;
use crate::edge;
use crate::output::counted;
use saldo_domain::ids::IdSource;

/// Flags that somebody resets at the orders service.
const FLIPPED_FLAGS: usize = 3;
/// Purchases that the buyer pays together: their forms vanish, and a new one has the lines of both.
const MERGED: usize = 2;

/// What was done where only the orders service knows of it.
struct Disorder {
    /// Orders that there were not before.
    added: Vec<String>,
    /// Differences that one comparison has to find.
    differences: usize,
    /// Of these, what Saldo puts right by itself.
    mendable: usize,
    /// Questions that stay for a person in the end.
    questions: usize,
}

/// Brings both sides into disorder at the orders service alone, has Saldo compare them, also while the list lies, and
/// answers with the orders that were added.
pub(super) async fn reconcile(house: &House, orders: &[String]) -> anyhow::Result<Vec<String>> {
    let disorder = bring_about(house, orders).await?;
    let result = compare(house).await?;
    expect(&result, "discrepancies_found", disorder.differences)?;
    expect(&result, "auto_fixed", disorder.mendable)?;
    tell_kinds(house, &result);
    drain(house).await?;

    house
        .set_faults(Some(&json!({ "lists_say_false": true })))
        .await?;
    house.say(
        "Disorder",
        "now the orders service's list shows every order as not deducted, and says that all is well",
    );
    let result = compare(house).await?;
    house.set_faults(None).await?;
    expect(&result, "auto_fixed", 0)?;
    if !result["error"]
        .as_str()
        .is_some_and(|told| told.contains("did not look right"))
    {
        bail!("nobody noticed that the list lies: {result}");
    }
    house.say(
        "Reconcile",
        "the list contradicts the flags themselves, so nothing was done on its word",
    );

    let result = compare(house).await?;
    expect(&result, "auto_fixed", 0)?;
    expect(&result, "requires_manual_review", disorder.questions)?;
    tell_kinds(house, &result);
    house.say(
        "Reviews",
        &format!(
            "{} questions wait for a person: what only a person can know, Saldo does not guess",
            disorder.questions
        ),
    );
    Ok(disorder.added)
}

async fn bring_about(house: &House, orders: &[String]) -> anyhow::Result<Disorder> {
    // The first was rolled back, and the last is the one that a person mapped. The smallest demonstrations have not
    // enough for everything.
    let mut intact = orders
        .iter()
        .map(String::as_str)
        .skip(1)
        .take(orders.len().saturating_sub(2));
    let flipped: Vec<&str> = intact.by_ref().take(FLIPPED_FLAGS).collect();
    for order in &flipped {
        let body = json!({ "token_id": house.account, "order_id": order, "is_stock_updated": false });
        house.tell_simulator("flags", &body).await?;
    }
    let cancelled = intact.next();
    if let Some(order) = cancelled {
        change(house, order, |form| form["status"] = json!("CANCELLED")).await?;
    }
    let revised = intact.next();
    if let Some(order) = revised {
        change(house, order, |form| form["lineItems"][0]["quantity"] = json!(7)).await?;
    }
    let vanished = intact.next();
    if let Some(order) = vanished {
        house.take_from_simulator(order).await?;
    }
    let missed = new_id();
    house.store(&forms::ordinary(missed, 0, edge::now())).await?;
    let together: Vec<&str> = intact.take(MERGED).collect();
    let merged = match together.as_slice() {
        [one, other] => Some(merge(house, one, other).await?),
        _ => None,
    };
    let count = |is_there: bool| usize::from(is_there);
    let questions = count(revised.is_some()) + count(vanished.is_some());
    let mendable = flipped.len() + count(cancelled.is_some()) + 1 + count(merged.is_some());
    house.say(
        "Disorder",
        &format!(
            "behind Saldo's back, {} flags are reset, 1 order is there that nobody posted, {} is cancelled, {} is \
             changed, {} vanishes, and {} purchases are paid together and become one new order",
            flipped.len(),
            count(cancelled.is_some()),
            count(revised.is_some()),
            count(vanished.is_some()),
            together.len()
        ),
    );
    Ok(Disorder {
        added: [Some(missed), merged]
            .into_iter()
            .flatten()
            .map(|id| id.to_string())
            .collect(),
        differences: mendable + questions,
        mendable,
        questions,
    })
}

fn new_id() -> Uuid {
    edge::RandomIds::default().next(edge::now())
}

/// Changes an order where only the orders service knows of it.
async fn change(house: &House, order: &str, change: impl FnOnce(&mut Value)) -> anyhow::Result<()> {
    let mut form = form_of(house, order).await?;
    change(&mut form);
    form["revision"] = json!("changed");
    form["updatedAt"] = json!(edge::now());
    house.store(&form).await
}

/// Two forms vanish, and a new one has the lines of both.
async fn merge(house: &House, one: &str, other: &str) -> anyhow::Result<Uuid> {
    let mut form = form_of(house, one).await?;
    let lines = form_of(house, other).await?["lineItems"].take();
    let further = lines.as_array().cloned().unwrap_or_default();
    form["lineItems"]
        .as_array_mut()
        .context("a form without lines")?
        .extend(further);
    let id = new_id();
    form["id"] = json!(id);
    form["revision"] = json!("together");
    form["updatedAt"] = json!(edge::now());
    house.store(&form).await?;
    for order in [one, other] {
        house.take_from_simulator(order).await?;
    }
    Ok(id)
}

/// An order as the service has stored it, without the service's own keys.
async fn form_of(house: &House, order: &str) -> anyhow::Result<Value> {
    let state = house.ask_simulator("state?forms=true").await?;
    let orders = state["accounts"][0]["orders"].as_array();
    let held = orders.and_then(|orders| orders.iter().find(|held| held["order_id"] == order));
    let held = held.with_context(|| format!("the simulator does not hold order {order}"))?;
    Ok(held["stored"].clone())
}

async fn compare(house: &House) -> anyhow::Result<Value> {
    let result = house.post("/api/v1/stock-sync/reconcile", &json!({})).await?;
    let count = |name: &str| result[name].as_u64().unwrap_or(0);
    house.say(
        "Reconcile",
        &format!(
            "{} compared with {}: {} found, {} put right by itself, {} for a person",
            counted(count("total_checked"), "order", "orders"),
            counted(count("calls"), "call", "calls"),
            counted(count("discrepancies_found"), "difference", "differences"),
            count("auto_fixed"),
            count("requires_manual_review"),
        ),
    );
    Ok(result)
}

fn expect(result: &Value, name: &str, expected: usize) -> anyhow::Result<()> {
    if result[name].as_u64() != u64::try_from(expected).ok() {
        bail!("{name} of the comparison was to be {expected}: {result}");
    }
    Ok(())
}

fn tell_kinds(house: &House, result: &Value) {
    let mut kinds: Vec<(String, usize)> = Vec::new();
    for found in result["discrepancies"].as_array().into_iter().flatten() {
        let word = |name: &str| found[name].as_str().unwrap_or("?").to_owned();
        let kind = format!("{}, {}", word("kind"), word("resolution"));
        match kinds.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, seen)) => *seen += 1,
            None => kinds.push((kind, 1)),
        }
    }
    for (kind, seen) in kinds {
        house.say("", &format!("{seen:>6}  {kind}"));
    }
}
