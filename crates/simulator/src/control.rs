//! Looking into a simulator and changing it while it runs.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::dates::naive;
use crate::faults::{Faults, FaultsError};
use crate::forms::Form;
use crate::limits::ORDERS_MAX;
use crate::orders::{Order, StoredCopy};
use crate::seed;
use crate::shared::Shared;
use crate::world::{Account, WorldError};

/// Looking into a simulator and changing it while it runs. Every method is also a call under `/_simulator/`.
#[derive(Clone)]
pub struct Control {
    shared: Arc<Shared>,
}

impl fmt::Debug for Control {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Control")
    }
}

/// An order to add, or the copies of a known one to replace.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderInput {
    /// The account.
    pub token_id: Uuid,
    /// The checkout form; its `id` is the order id unless that is given.
    pub order: Value,
    /// The order id, for forms that carry none.
    #[serde(default)]
    pub order_id: Option<String>,
    /// Only what the service has stored.
    #[serde(default)]
    pub stored_only: bool,
    /// Only what Allegro answers now; this is how an order moves on behind its stored copy.
    #[serde(default)]
    pub live_only: bool,
    /// Whether the stored row is marked deleted, which the service does not show.
    #[serde(default)]
    pub is_deleted: bool,
}

/// Flags to set behind everyone's back.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlagInput {
    /// The account.
    pub token_id: Uuid,
    /// The order; any text.
    pub order_id: String,
    /// The stock flag.
    pub is_stock_updated: bool,
    /// The invoice flag; left alone if absent.
    #[serde(default)]
    pub has_invoice_created: Option<bool>,
    /// The invoice id; left alone if absent.
    #[serde(default)]
    pub invoice_id: Option<String>,
}

/// An account to add, or the fields of a known one to change.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AccountInput {
    /// The account.
    pub token_id: Uuid,
    /// Its name.
    pub account_name: Option<String>,
    /// Its owner; the simulator's own user for a new account.
    pub user_id: Option<String>,
    /// Whether it is active.
    pub is_active: Option<bool>,
    /// When its access to Allegro ends.
    pub expires_at: Option<Timestamp>,
}

impl Control {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    pub(crate) fn of(shared: &Arc<Shared>) -> Self {
        Self {
            shared: shared.clone(),
        }
    }

    /// The ids of all accounts, sorted.
    pub fn token_ids(&self) -> Vec<Uuid> {
        let mut token_ids: Vec<Uuid> = self.shared.world().accounts.keys().copied().collect();
        token_ids.sort();
        token_ids
    }

    /// Every account with its orders and flags, and the PATCH calls of each order; the forms too if asked for.
    pub fn state(&self, token_id: Option<Uuid>, with_forms: bool) -> Value {
        let world = self.shared.world();
        let mut accounts: Vec<&Account> = world
            .accounts
            .values()
            .filter(|account| token_id.is_none_or(|wanted| wanted == account.token_id))
            .collect();
        accounts.sort_by_key(|account| account.token_id);
        let accounts: Vec<Value> = accounts
            .into_iter()
            .map(|account| account_view(account, with_forms))
            .collect();
        json!({"mended": self.shared.is_mended(), "accounts": accounts})
    }

    /// The stock flag of every row, and how many PATCH calls were applied to it.
    pub fn flags(&self) -> Value {
        let world = self.shared.world();
        let mut rows: Vec<Value> = Vec::new();
        for account in world.accounts.values() {
            rows.extend(account.flags.iter().map(|(order_id, row)| {
                json!({
                    "token_id": account.token_id,
                    "order_id": order_id,
                    "is_stock_updated": row.is_stock_updated,
                    "patches": row.patch_count(),
                })
            }));
        }
        Value::Array(rows)
    }

    /// Counts per endpoint, and the most PATCH calls ever under way at once for one order.
    pub fn calls(&self) -> Value {
        self.shared.calls.view()
    }

    /// PATCH calls that were received and have not ended.
    #[must_use]
    pub fn patches_under_way(&self) -> u32 {
        self.shared.calls.patches_under_way()
    }

    /// The most PATCH calls ever under way at once for one order; 1 when none overlapped.
    pub fn overlapping_patches_max(&self) -> u32 {
        self.shared.calls.overlapping_patches_max()
    }

    /// The stock flag of one order, if it has a row.
    pub fn is_stock_updated(&self, token_id: Uuid, order_id: &str) -> Option<bool> {
        let world = self.shared.world();
        world
            .accounts
            .get(&token_id)?
            .flags
            .get(order_id)
            .map(|row| row.is_stock_updated)
    }

    /// The faults in force.
    pub fn faults(&self) -> Faults {
        self.shared.faults.faults()
    }

    /// Replaces all faults; their windows and counts begin now.
    ///
    /// # Errors
    ///
    /// When a bound is passed; the faults in force then stay.
    pub fn set_faults(&self, faults: Faults) -> Result<(), FaultsError> {
        faults.check()?;
        self.shared.faults.replace(faults, self.shared.clock.now());
        Ok(())
    }

    /// Ends all faults.
    pub fn clear_faults(&self) {
        self.shared
            .faults
            .replace(Faults::default(), self.shared.clock.now());
    }

    /// Switches whether reading one order by id works.
    pub fn set_mended(&self, is_mended: bool) {
        self.shared.set_mended(is_mended);
    }

    /// Adds an order or replaces its copies, and gives its id.
    ///
    /// # Errors
    ///
    /// When the account is unknown, the order has no id, or the bound on orders is reached.
    pub fn put_order(&self, input: OrderInput) -> Result<String, WorldError> {
        let own_id = input.order.get("id").and_then(Value::as_str).map(str::to_owned);
        let order_id = input.order_id.or(own_id).ok_or(WorldError::OrderWithoutId)?;
        let now = self.shared.clock.now();
        let form = Form::Written(Arc::new(input.order));
        let stored = (!input.live_only).then(|| StoredCopy {
            order_date: form.order_date(),
            created_at: form.order_date().unwrap_or(now),
            form: form.clone(),
            is_deleted: input.is_deleted,
        });
        let live = (!input.stored_only).then_some(form);
        let mut world = self.shared.world();
        if world.order_count() >= ORDERS_MAX {
            return Err(WorldError::TooManyOrders);
        }
        let db_id = uuid::Builder::from_random_bytes(now.as_nanosecond().to_be_bytes()).into_uuid();
        let order = Order {
            order_id: order_id.as_str().into(),
            db_id,
            stored,
            live,
        };
        world.account(input.token_id)?.orders.put(order);
        Ok(order_id)
    }

    /// Takes an order away, here and at Allegro, as when it went into another form. Its flag row stays.
    ///
    /// # Errors
    ///
    /// When the account or the order is unknown.
    pub fn remove_order(&self, token_id: Uuid, order_id: &str) -> Result<(), WorldError> {
        let was_there = self.shared.world().account(token_id)?.orders.remove(order_id);
        if was_there {
            Ok(())
        } else {
            Err(WorldError::UnknownOrder(order_id.to_owned()))
        }
    }

    /// Sets flags behind everyone's back; this is not counted as a PATCH.
    ///
    /// # Errors
    ///
    /// When the account is unknown or the bound on flag rows is reached.
    pub fn set_flag(&self, input: FlagInput) -> Result<(), WorldError> {
        let now = self.shared.clock.now();
        let mut world = self.shared.world();
        let row = world.account(input.token_id)?.flags.touch(&input.order_id, now)?;
        row.is_stock_updated = input.is_stock_updated;
        row.has_invoice_created = input.has_invoice_created.unwrap_or(row.has_invoice_created);
        row.invoice_id = input.invoice_id.or(row.invoice_id.take());
        Ok(())
    }

    /// Adds an account, or changes the given fields of a known one and keeps its orders.
    ///
    /// # Errors
    ///
    /// When the bound on accounts is reached.
    pub fn put_account(&self, input: AccountInput) -> Result<(), WorldError> {
        let mut world = self.shared.world();
        if !world.accounts.contains_key(&input.token_id) {
            let name = format!("account-{}", world.accounts.len() + 1);
            let account = seed::account(
                input.token_id,
                &self.shared.user_id,
                &name,
                &self.shared.flag_totals,
            );
            world.insert(account)?;
        }
        let account = world.account(input.token_id)?;
        account.account_name = input.account_name.unwrap_or(account.account_name.clone());
        account.user_id = input.user_id.unwrap_or(account.user_id.clone());
        account.is_active = input.is_active.unwrap_or(account.is_active);
        account.expires_at = input.expires_at.unwrap_or(account.expires_at);
        Ok(())
    }

    /// Removes an account with its orders and flags.
    ///
    /// # Errors
    ///
    /// When the account is unknown.
    pub fn remove_account(&self, token_id: Uuid) -> Result<(), WorldError> {
        let removed = self.shared.world().accounts.remove(&token_id);
        removed.map(drop).ok_or(WorldError::UnknownAccount(token_id))
    }
}

fn account_view(account: &Account, with_forms: bool) -> Value {
    let orders: Vec<Value> = account
        .orders
        .rows()
        .iter()
        .map(|order| order_view(account, order, with_forms))
        .collect();
    let flags: Vec<Value> = account
        .flags
        .iter()
        .map(|(order_id, row)| {
            json!({
                "order_id": order_id,
                "is_stock_updated": row.is_stock_updated,
                "has_invoice_created": row.has_invoice_created,
                "invoice_id": row.invoice_id,
                "created_at": naive(row.created_at),
                "patch_count": row.patch_count(),
                "patches": row.patches(),
            })
        })
        .collect();
    let mut view = account.record();
    view["orders"] = Value::Array(orders);
    view["flags"] = Value::Array(flags);
    view
}

fn order_view(account: &Account, order: &Order, with_forms: bool) -> Value {
    let stored = order.stored.as_ref();
    let row = account.flags.get(&order.order_id);
    let mut view = json!({
        "order_id": &*order.order_id,
        "stored_status": stored.and_then(|stored| stored.form.status()),
        "live_status": order.live.as_ref().and_then(Form::status),
        "is_stored": stored.is_some(),
        "is_live": order.live.is_some(),
        "is_deleted": stored.is_some_and(|stored| stored.is_deleted),
        "order_date": stored.and_then(|stored| stored.order_date).map(|date| date.to_string()),
        "is_stock_updated": row.map(|row| row.is_stock_updated),
        "patch_count": row.map_or(0, |row| row.patch_count()),
    });
    if with_forms {
        view["stored"] = stored
            .map(|stored| Value::Object(stored.form.object()))
            .unwrap_or_default();
        view["live"] = order
            .live
            .as_ref()
            .map(|form| Value::Object(form.object()))
            .unwrap_or_default();
    }
    view
}
