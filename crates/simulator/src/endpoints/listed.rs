//! How lists and searches show a stored order.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::Call;
use crate::dates::naive;
use crate::flags::{Flags, FlagsFull, default_flags};
use crate::orders::{Order, StoredCopy};
use crate::validation::Inputs;

/// A stored order, taken out of the world so that it is rendered without holding it.
pub(super) struct Listed {
    pub(super) order_id: Arc<str>,
    db_id: Uuid,
    stored: StoredCopy,
    flags: Value,
}

impl Listed {
    pub(super) fn new(order: &Order) -> Option<Self> {
        let stored = order.stored.clone()?;
        Some(Self {
            order_id: order.order_id.clone(),
            db_id: order.db_id,
            stored,
            flags: default_flags(),
        })
    }

    /// Reads the flags, which makes a row for an order that had none.
    pub(super) fn read_flags(&mut self, flags: &mut Flags, now: Timestamp) -> Result<(), FlagsFull> {
        self.flags = flags.touch(&self.order_id, now)?.brief();
        Ok(())
    }

    /// The form with the service's own keys over it.
    pub(super) fn view(self, token_id: Uuid) -> Map<String, Value> {
        let mut view = self.stored.form.object();
        let created_at = naive(self.stored.created_at);
        view.insert("db_id".to_owned(), Value::from(self.db_id.to_string()));
        view.insert("token_id".to_owned(), Value::from(token_id.to_string()));
        view.insert("allegro_order_id".to_owned(), Value::from(&*self.order_id));
        view.insert("db_created_at".to_owned(), Value::from(created_at.as_str()));
        view.insert("db_updated_at".to_owned(), Value::from(created_at));
        view.insert("technical_flags".to_owned(), self.flags);
        view
    }
}

/// The filters on flags. Any of them joins the flag rows, and so hides orders that have none.
pub(super) struct FlagFilters {
    pub(super) stock_updated: Option<bool>,
    pub(super) invoice_created: Option<bool>,
    pub(super) invoice_id: Option<String>,
}

impl FlagFilters {
    pub(super) fn read(inputs: &mut Inputs<'_>, call: &Call<'_>) -> Self {
        Self {
            stock_updated: inputs.boolean("stock_updated"),
            invoice_created: inputs.boolean("invoice_created"),
            invoice_id: call
                .request
                .query("invoice_id")
                .filter(|id| !id.is_empty())
                .map(str::to_owned),
        }
    }

    pub(super) fn are_absent(&self) -> bool {
        self.stock_updated.is_none() && self.invoice_created.is_none() && self.invoice_id.is_none()
    }

    pub(super) fn pass(&self, flags: &Flags, order_id: &str) -> bool {
        if self.are_absent() {
            return true;
        }
        flags.get(order_id).is_some_and(|row| {
            self.stock_updated
                .is_none_or(|wanted| wanted == row.is_stock_updated)
                && self
                    .invoice_created
                    .is_none_or(|wanted| wanted == row.has_invoice_created)
                && self
                    .invoice_id
                    .as_ref()
                    .is_none_or(|wanted| Some(wanted) == row.invoice_id.as_ref())
        })
    }
}
