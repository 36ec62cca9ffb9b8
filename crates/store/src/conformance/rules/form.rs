//! Forms to tell scenarios with.

use jiff::Timestamp;
use saldo_domain::form::{CopyLine, FormStatus, OrderCopy, Source};
use saldo_domain::ids::OrderId;

use super::world::{line, offer, sku};

/// A copy of an order, ready for processing and posted unless said otherwise.
#[derive(Debug, Clone)]
pub(super) struct Form(OrderCopy);

/// A form without lines yet.
pub(super) fn form(order: &str) -> Form {
    Form(OrderCopy {
        order: OrderId::parse(order).unwrap(),
        source: Source::Posted,
        status: FormStatus::Ready,
        fulfillment_cancelled: false,
        shipped: false,
        returned: false,
        fulfilled_by_allegro: false,
        revision: Some("first".to_owned()),
        updated_at: None,
        bought_at: None,
        lines: Vec::new(),
    })
}

impl Form {
    /// A line whose offer carries its SKU.
    pub(super) fn line(self, id: &str, name: &str, quantity: i64) -> Self {
        self.any_line(Some(id), &format!("offer-{id}"), Some(name), quantity)
    }

    /// A line whose offer carries no SKU.
    pub(super) fn line_of_offer(self, id: &str, of: &str, quantity: i64) -> Self {
        self.any_line(Some(id), of, None, quantity)
    }

    pub(super) fn any_line(
        mut self,
        id: Option<&str>,
        of: &str,
        external: Option<&str>,
        quantity: i64,
    ) -> Self {
        self.0.lines.push(CopyLine {
            id: id.map(line),
            offer: Some(offer(of)),
            external: external.map(sku),
            quantity,
        });
        self
    }

    pub(super) fn revision(mut self, revision: &str) -> Self {
        self.0.revision = Some(revision.to_owned());
        self
    }

    pub(super) fn without_revision(mut self) -> Self {
        self.0.revision = None;
        self
    }

    /// Changed so many seconds after a fixed moment.
    pub(super) fn updated(mut self, second: i64) -> Self {
        self.0.updated_at = Some(Timestamp::from_second(1_700_000_000 + second).unwrap());
        self
    }

    /// Bought so many seconds after a fixed moment.
    pub(super) fn bought(mut self, second: i64) -> Self {
        self.0.bought_at = Some(Timestamp::from_second(1_700_000_000 + second).unwrap());
        self
    }

    /// A row of the service's list.
    pub(super) fn listed(self) -> Self {
        self.from(Source::Listed)
    }

    pub(super) fn from(mut self, source: Source) -> Self {
        self.0.source = source;
        self
    }

    pub(super) fn status(mut self, status: FormStatus) -> Self {
        self.0.status = status;
        self
    }

    pub(super) fn unpaid(self) -> Self {
        self.status(FormStatus::Bought)
    }

    pub(super) fn cancelled(self) -> Self {
        self.status(FormStatus::Cancelled)
    }

    pub(super) fn cancelled_by_seller(mut self) -> Self {
        self.0.fulfillment_cancelled = true;
        self
    }

    pub(super) fn shipped(mut self) -> Self {
        self.0.shipped = true;
        self
    }

    pub(super) fn returned(mut self) -> Self {
        self.0.returned = true;
        self
    }

    pub(super) fn fulfilled_by_allegro(mut self) -> Self {
        self.0.fulfilled_by_allegro = true;
        self
    }
}

impl From<Form> for OrderCopy {
    fn from(form: Form) -> Self {
        form.0
    }
}
