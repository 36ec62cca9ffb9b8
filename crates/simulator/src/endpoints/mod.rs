//! The endpoints of the orders service, one file each. They only read and change the world; waiting happens outside.

mod information;
mod listed;
mod offers;
mod order_by_id;
mod order_events;
mod order_sync;
mod orders_list;
mod orders_search;
mod stock_status;
mod technical_flags;
mod tokens;

use hyper::StatusCode;
use jiff::Timestamp;
use uuid::Uuid;

use crate::answer::Answer;
use crate::faults::AllegroFailure;
use crate::flags::{EndedAtUs, FlagsFull};
use crate::request::Request;
use crate::routes::Endpoint;
use crate::shared::Shared;
use crate::validation::Inputs;
use crate::world::Account;

/// One call, with everything the outside has decided about it.
pub(crate) struct Call<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) request: &'a Request,
    /// The order or token id in the path.
    pub(crate) argument: &'a str,
    pub(crate) received_at: Timestamp,
    pub(crate) now: Timestamp,
    /// Whether the service reaches its database.
    pub(crate) is_database_down: bool,
    /// Whether flags read as false, whatever they are.
    pub(crate) are_flags_unreadable: bool,
    /// How many rows later a page of the list begins.
    pub(crate) slipped_rows: i32,
    pub(crate) allegro: Option<AllegroFailure>,
    pub(crate) ended_at_us: EndedAtUs,
}

/// An answer either way: the error side is what ends a call early.
pub(crate) type Answered = Result<Answer, Answer>;

/// Answers a call.
pub(crate) fn answer(endpoint: Endpoint, call: &Call<'_>) -> Answer {
    let answered = match endpoint {
        Endpoint::Root => Ok(information::root()),
        Endpoint::Health => Ok(information::health(call)),
        Endpoint::TokensList => tokens::list(call),
        Endpoint::TokenById => tokens::by_id(call),
        Endpoint::OrdersList => orders_list::answer(call),
        Endpoint::OrdersSearch => orders_search::answer(call),
        Endpoint::OrderById => order_by_id::answer(call),
        Endpoint::TechnicalFlags => technical_flags::of_order(call),
        Endpoint::StockStatus => stock_status::answer(call),
        Endpoint::FlagsSummary => technical_flags::summary(call),
        Endpoint::OrderEvents => order_events::answer(call),
        Endpoint::OrderSync => order_sync::answer(call),
        Endpoint::OffersByExternalId => offers::by_external_id(call),
        Endpoint::OffersUpdateStock => offers::update_stock(call),
    };
    answered.unwrap_or_else(|early| early)
}

impl Call<'_> {
    /// The caller, checked before anything else is validated.
    fn user_id(&self) -> Result<String, Answer> {
        self.shared
            .authentication
            .user_id(&self.request.headers, self.now)
    }

    /// The caller and the account, for endpoints whose only query parameter is the account.
    fn user_and_token(&self) -> Result<(String, Uuid), Answer> {
        let user_id = self.user_id()?;
        let mut inputs = Inputs::new(self.request);
        let token_id = inputs.token_id();
        inputs.finish()?;
        Ok((user_id, token_id))
    }

    /// Does something with the caller's account. Not found and no database look the same to a caller.
    fn with_account<T>(
        &self,
        user_id: &str,
        token_id: Uuid,
        act: impl FnOnce(&mut Account) -> T,
    ) -> Option<T> {
        if self.is_database_down {
            return None;
        }
        self.shared.world().owned(token_id, user_id).map(act)
    }
}

/// The 404 of an account that is unknown, someone else's, or unreadable.
fn token_not_found(token_id: Uuid) -> Answer {
    let text = format!("Токен {token_id} не найден или не принадлежит пользователю");
    Answer::detail(StatusCode::NOT_FOUND, &text)
}

/// The text that a read of one order gives, truly or falsely, about the account.
fn token_invalid_text(token_id: Uuid) -> String {
    format!("Токен {token_id} недействителен или не принадлежит пользователю")
}

impl From<FlagsFull> for Answer {
    fn from(full: FlagsFull) -> Self {
        Self::detail(StatusCode::INSUFFICIENT_STORAGE, &full.to_string())
    }
}
