//! Orders to take in: real checkout forms with new ids, one line or two by turns.

use anyhow::Context;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use saldo_domain::decide::TakeIn;
use saldo_domain::form::{Source, parse_form};
use saldo_domain::ids::AccountId;
use serde_json::{Value, json};
use uuid::Uuid;

const ONE_LINE: &str = include_str!("../../domain/tests/forms/one_line.json");

/// Accounts that the orders are spread over.
pub(crate) const ACCOUNTS: u128 = 8;
/// SKUs that the lines are spread over.
pub(crate) const SKUS: usize = 1_000;

/// One order, as it is posted and as it is read.
pub(crate) struct Order {
    pub(crate) account: AccountId,
    pub(crate) form: String,
    pub(crate) take_in: TakeIn,
}

/// The name of a SKU.
pub(crate) fn sku(number: usize) -> String {
    format!("KUB-330-{number:04}")
}

/// An account.
fn account(number: u128) -> AccountId {
    AccountId::new(Uuid::from_u128(
        0x1000_0000_0000_4000_8000_0000_0000_0000 + number,
    ))
}

/// So many orders that were never seen before; the same ones for the same seed.
pub(crate) fn make(count: usize, seed: u64) -> anyhow::Result<Vec<Order>> {
    make_for(ACCOUNTS, count, seed)
}

/// The same, spread over so many accounts.
pub(crate) fn make_for(accounts: u128, count: usize, seed: u64) -> anyhow::Result<Vec<Order>> {
    let template: Value = serde_json::from_str(ONE_LINE)?;
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    (0..count)
        .map(|number| order(&template, number, account(number as u128 % accounts), &mut random))
        .collect()
}

fn order(
    template: &Value,
    number: usize,
    account: AccountId,
    random: &mut ChaCha8Rng,
) -> anyhow::Result<Order> {
    let mut form = template.clone();
    form["id"] = json!(new_id(random));
    let line = form["lineItems"][0].clone();
    let lines = (0..=number % 2).map(|_| new_line(&line, random)).collect();
    form["lineItems"] = Value::Array(lines);
    let copy = parse_form(&form, Source::Posted)
        .ok()
        .context("the form of the tests cannot be read")?;
    let take_in = TakeIn {
        account,
        copy,
        warehouse: None,
        force: false,
        remote_flag: None,
    };
    Ok(Order {
        account,
        form: form.to_string(),
        take_in,
    })
}

fn new_line(line: &Value, random: &mut ChaCha8Rng) -> Value {
    let mut line = line.clone();
    let number = random.random_range(0..SKUS);
    line["id"] = json!(new_id(random));
    line["offer"]["id"] = json!((13_445_358_000 + number).to_string());
    line["offer"]["external"]["id"] = json!(sku(number));
    line
}

fn new_id(random: &mut ChaCha8Rng) -> String {
    uuid::Builder::from_random_bytes({
        let mut bytes = [0; 16];
        random.fill_bytes(&mut bytes);
        bytes
    })
    .into_uuid()
    .to_string()
}
