//! What happens in the demonstration, and how it is told.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressStyle};
use saldo_domain::ids::IdSource;
use serde_json::{Value, json};

use super::disorder;
use super::forms::{self, FormLine, GOODS};
use super::house::House;
use super::proof::{self, Proof};
use crate::edge;
use crate::output::Output;

/// How much is shown.
pub(crate) struct Story {
    /// Orders to arrive.
    pub(crate) orders: usize,
    /// Over how many seconds they arrive.
    pub(crate) seconds: u64,
    /// For people, or for machines: these get the proof alone, and the story goes to standard error.
    pub(crate) output: Output,
    /// Flips one flag at the orders service before the proof: for the test that sees the proof fail.
    pub(crate) flip_flag: bool,
}

/// Units of each of the goods that are received at the beginning.
const RECEIVED_UNITS: usize = 1_000_000;
/// How long the queue may take to drain before the demonstration gives up, in seconds.
const DRAIN_SECONDS_MAX: u64 = 60;
/// After how many orders the story tells how many wait.
const STATUS_EVERY: usize = 50;
/// The warehouse, as in the original.
const WAREHOUSE: &str = "Ирина";

/// Tells the story in a folder, and ends with the proof.
pub(crate) async fn tell(story: &Story, folder: &Path) -> anyhow::Result<Proof> {
    let house = House::build(folder, story.output).await?;
    house.say(
        "Saldo",
        &format!("the API listens on {} (its description: /docs)", house.api),
    );
    house.say(
        "Simulator",
        &format!("the simulated orders service listens on {}", house.orders_service),
    );
    let told = chapters(story, &house).await;
    let closed = house.close().await;
    let proof = told?;
    closed?;
    Ok(proof)
}

async fn chapters(story: &Story, house: &House) -> anyhow::Result<Proof> {
    receive_goods(house).await?;
    let mut orders = orders_arrive(story, house).await?;
    drain(house).await?;
    orders.push(unmapped_order(house).await?);
    roll_one_back(house, &orders[0]).await?;
    drain(house).await?;
    orders.extend(disorder::reconcile(house, &orders).await?);
    drain(house).await?;
    if story.flip_flag {
        let (account, order) = (&house.account, &orders[1]);
        let body = json!({ "token_id": account, "order_id": order, "is_stock_updated": false });
        house.tell_simulator("flags", &body).await?;
    }
    proof::compare(house, &orders).await
}

async fn receive_goods(house: &House) -> anyhow::Result<()> {
    let lines: Vec<Value> = GOODS
        .iter()
        .map(|(sku, _)| json!({ "sku": sku, "warehouse": WAREHOUSE, "quantity": RECEIVED_UNITS }))
        .collect();
    let body = json!({ "lines": lines, "reference": "the demonstration's first delivery" });
    house.post("/api/v1/stock/receipts", &body).await?;
    house.say(
        "Stock",
        &format!("{} SKUs received, a million units each", GOODS.len()),
    );
    Ok(())
}

/// Orders arrive; in the middle of it the orders service is away. Every tenth order is posted twice.
async fn orders_arrive(story: &Story, house: &House) -> anyhow::Result<Vec<String>> {
    let total = story.orders;
    let (outage_from, outage_to) = (total / 3, total * 4 / 5);
    let pause = Duration::from_millis(story.seconds * 1_000 / u64::try_from(total)?);
    let mut bar = progress(total, "orders taken in");
    let mut orders = Vec::with_capacity(total);
    let mut ids = edge::RandomIds::default();
    let mut repeats = 0;
    for number in 0..total {
        if number == outage_from {
            house
                .set_faults(Some(&json!({ "rule": [{ "fault": "unavailable" }] })))
                .await?;
            bar.suspend(|| {
                house.say(
                    "Outage",
                    "the orders service now fails every call (503); orders go on arriving",
                )
            });
        }
        if number == outage_to {
            // One bar at a time: the one of the deliveries takes its place meanwhile.
            bar.finish_and_clear();
            house.say("Outage", "the service is back; what waited is delivered now");
            house.set_faults(None).await?;
            drain(house).await?;
            bar = progress(total, "orders taken in");
            bar.set_position(u64::try_from(number)?);
        }
        if number > outage_from && number < outage_to && number % STATUS_EVERY == 0 {
            let waiting = waiting(house).await?;
            bar.suspend(|| {
                house.say(
                    "",
                    &format!(
                        "{waiting} operations wait to be told to it; their stock is deducted here already"
                    ),
                )
            });
        }
        let order = ids.next(edge::now());
        let form = forms::ordinary(order, number, edge::now());
        house.store(&form).await?;
        repeats += post_order(house, &form, number % 10 == 9).await?;
        orders.push(order.to_string());
        bar.inc(1);
        tokio::time::sleep(pause).await;
    }
    bar.finish_and_clear();
    house.say(
        "Orders",
        &format!("{total} taken in; {repeats} of them came twice, and were deducted once"),
    );
    Ok(orders)
}

/// Posts an order without waiting for its delivery; counts the repeats that were recognised.
async fn post_order(house: &House, form: &Value, twice: bool) -> anyhow::Result<usize> {
    let body = json!({ "token_id": house.account, "order": form });
    let path = "/api/v1/stock-sync/orders?wait=false";
    let first = house.post(path, &body).await?;
    if first["duplicate"] != json!(false) {
        bail!("a new order was taken for a repeat: {first}");
    }
    if !twice {
        return Ok(0);
    }
    let second = house.post(path, &body).await?;
    if second["duplicate"] != json!(true) {
        bail!("a repeat was not recognised: {second}");
    }
    Ok(1)
}

async fn waiting(house: &House) -> anyhow::Result<u64> {
    let status = house.get("/api/v1/stock-sync/status").await?;
    let count = |name: &str| status["operations"][name].as_u64().unwrap_or(0);
    Ok(count("pending") + count("processing"))
}

/// Waits until nothing waits for delivery any more.
pub(super) async fn drain(house: &House) -> anyhow::Result<()> {
    let total = waiting(house).await?;
    let bar = progress(usize::try_from(total)?, "operations delivered");
    for _ in 0..DRAIN_SECONDS_MAX * 20 {
        let left = waiting(house).await?;
        bar.set_position(total.saturating_sub(left));
        if left == 0 {
            bar.finish_and_clear();
            if total > 0 {
                house.say(
                    "Delivery",
                    &format!("the queue is empty: all {total} operations that waited were delivered"),
                );
            }
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    bail!("the queue did not drain within {DRAIN_SECONDS_MAX} seconds")
}

/// An order for an offer that nobody gave a SKU: a person is asked, and answers.
async fn unmapped_order(house: &House) -> anyhow::Result<String> {
    let order = edge::RandomIds::default().next(edge::now());
    let line = FormLine {
        offer: "15001234567",
        external: None,
        quantity: 1,
    };
    let form = forms::form(order, &[line], edge::now());
    house.store(&form).await?;
    let body = json!({ "token_id": house.account, "order": form });
    let answer = house.post("/api/v1/stock-sync/orders", &body).await?;
    let review = answer["review_id"]
        .as_str()
        .context("no review was opened for an order without a SKU")?
        .to_owned();
    house.say(
        "Review",
        "an order came for an offer without a SKU: nothing was deducted, a person is asked",
    );
    let components = json!([{ "sku": "KONS-01", "units": 1 }, { "sku": "KUB-330-GRA", "units": 2 }]);
    let resolution = json!({
        "resolution": "map_sku", "note": "the gift set: a console and two mugs", "components": components,
    });
    house
        .post(
            &format!("/api/v1/stock-sync/reviews/{review}/resolve"),
            &resolution,
        )
        .await?;
    house.say(
        "Review",
        "resolved: the offer is a set of a console and two mugs; its stock is deducted now",
    );
    Ok(order.to_string())
}

/// An operation is rolled back: stock returns, and the flag is cleared.
async fn roll_one_back(house: &House, order: &str) -> anyhow::Result<()> {
    let known = house
        .get(&format!("/api/v1/stock-sync/orders/{}/{order}", house.account))
        .await?;
    let operation = known["operations"][0]["id"]
        .as_str()
        .context("the order has no operation to roll back")?
        .to_owned();
    let body = json!({ "reason": "the buyer changed his mind" });
    let answer = house
        .post(&format!("/api/v1/stock-sync/rollback/{operation}"), &body)
        .await?;
    let restored = answer["restored"].as_array().map_or(0, Vec::len);
    house.say(
        "Rollback",
        &format!(
            "a buyer changed his mind: what the order took, of {restored} SKUs, is back on the shelf; \
             remote flag: {}",
            answer["remote_flag"].as_str().unwrap_or("?")
        ),
    );
    Ok(())
}

fn progress(length: usize, what: &'static str) -> ProgressBar {
    let bar = ProgressBar::new(u64::try_from(length).unwrap_or(u64::MAX));
    if let Ok(style) = ProgressStyle::with_template("  {bar:40} {pos}/{len} {msg}") {
        bar.set_style(style);
    }
    bar.set_message(what);
    bar
}
