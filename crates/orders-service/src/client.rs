//! Each call: what is sent, and how its answer is read.

use std::time::Duration;

use reqwest::{Method, Url};
use saldo_domain::ids::{AccountId, OrderId};
use serde_json::Value;
use tokio::time::timeout;

use crate::classify::{check_status, json_of_success, not_the_contract};
use crate::contract::{FoundOrder, Health, LiveOrders, OrderSource, Page, PageQuery, RemoteAccount};
use crate::error::ErrorClass;
use crate::failure::Failure;
use crate::paths::Paths;
use crate::single_order_answer::{self, SingleOrder};
use crate::token_list::TokenList;
use crate::transport::{
    Answer, Call, Effect, LIST_BODY_BYTES_MAX, SMALL_BODY_BYTES_MAX, Transport, too_slow,
};
use crate::{flag_answer, health_answer, list_answer, search_answer};

pub(crate) struct Client {
    pub(crate) transport: Transport,
    pub(crate) paths: Paths,
    pub(crate) timeout_ms: u64,
    pub(crate) list_timeout_ms: u64,
    pub(crate) suspect_after_ms: u64,
}

impl Client {
    pub(crate) async fn set_flag(
        &self,
        account: AccountId,
        order: &OrderId,
        flag: bool,
    ) -> Result<(), Failure> {
        let body: &[u8] = if flag {
            br#"{"is_stock_updated":true}"#
        } else {
            br#"{"is_stock_updated":false}"#
        };
        let call = Call {
            method: Method::PATCH,
            body: Some(body),
            effect: Effect::Writes,
            ..self.quick(self.paths.stock_status(account, order))
        };
        let (answer, body) = self.ask(call).await?;
        flag_answer::confirm(&body, order, flag).map_err(|words| not_the_contract(&answer, words))
    }

    pub(crate) async fn read_flag(&self, account: AccountId, order: &OrderId) -> Result<bool, Failure> {
        let (answer, body) = self
            .ask(self.quick(self.paths.technical_flags(account, order)))
            .await?;
        flag_answer::read(&body, order).map_err(|words| not_the_contract(&answer, words))
    }

    /// All pages together have the time of one slow answer.
    pub(crate) async fn accounts(&self) -> Result<Vec<RemoteAccount>, Failure> {
        let all_pages = self.all_pages_of_accounts();
        match timeout(Duration::from_millis(self.list_timeout_ms), all_pages).await {
            Ok(accounts) => accounts,
            Err(_) => Err(too_slow(Effect::Reads, self.list_timeout_ms)),
        }
    }

    async fn all_pages_of_accounts(&self) -> Result<Vec<RemoteAccount>, Failure> {
        let mut list = TokenList::default();
        let mut last_answer = None;
        while let Some(page) = list.next_page() {
            let (answer, mut body) = self.ask(self.slow(self.paths.accounts(page))).await?;
            list.add(&mut body)
                .map_err(|words| not_the_contract(&answer, words))?;
            last_answer = Some(answer);
        }
        list.finish().map_err(|words| match last_answer {
            Some(answer) => not_the_contract(&answer, words),
            None => Failure::new(ErrorClass::Transient, words),
        })
    }

    /// The service asks for no token here, so none is shown to it.
    pub(crate) async fn health(&self) -> Result<Health, Failure> {
        let call = Call {
            authorized: false,
            ..self.quick(self.paths.health())
        };
        let (answer, body) = self.ask(call).await?;
        health_answer::read(&body).map_err(|words| not_the_contract(&answer, words))
    }

    pub(crate) async fn find_order(
        &self,
        account: AccountId,
        order: &OrderId,
        live: LiveOrders,
    ) -> Result<FoundOrder, Failure> {
        if live == LiveOrders::Broken {
            return self.search(account, order).await;
        }
        let source = OrderSource::Live;
        match self.single_order(account, order).await? {
            (_, SingleOrder::Found(form)) => Ok(FoundOrder {
                form: Some(form),
                source,
            }),
            (_, SingleOrder::NotFound) => Ok(FoundOrder { form: None, source }),
            (_, SingleOrder::AccountInvalid) => self.search(account, order).await,
            (answer, SingleOrder::AllegroRefused(words) | SingleOrder::Failed(words)) => {
                Err(not_the_contract(&answer, words))
            }
        }
    }

    pub(crate) async fn live_orders_work(
        &self,
        account: AccountId,
        order: &OrderId,
    ) -> Result<bool, Failure> {
        match self.single_order(account, order).await? {
            (_, SingleOrder::Found(_) | SingleOrder::NotFound | SingleOrder::AllegroRefused(_)) => Ok(true),
            (answer, SingleOrder::AccountInvalid) => {
                let listed = self.accounts().await?.iter().any(|listed| listed.id == account);
                if listed {
                    return Ok(false);
                }
                Err(not_the_contract(
                    &answer,
                    "it says that the account is invalid, and does not list it either",
                ))
            }
            (answer, SingleOrder::Failed(words)) => Err(not_the_contract(&answer, words)),
        }
    }

    pub(crate) async fn list_page(&self, account: AccountId, query: PageQuery) -> Result<Page, Failure> {
        let answer = self.rows(self.paths.list(account, query)).await?;
        let suspect_after_ms = self.suspect_after_ms;
        let asked = list_answer::Asked {
            account,
            query,
            took_ms: answer.took_ms,
            suspect_after_ms,
        };
        list_answer::read(&answer.body, &asked).map_err(|words| not_the_contract(&answer, words))
    }

    async fn search(&self, account: AccountId, order: &OrderId) -> Result<FoundOrder, Failure> {
        let answer = self.rows(self.paths.search(account, order)).await?;
        let form = search_answer::find(&answer.body, account, order)
            .map_err(|words| not_the_contract(&answer, words))?;
        Ok(FoundOrder {
            form,
            source: OrderSource::Searched,
        })
    }

    /// The service waits up to 15 s for Allegro here.
    async fn single_order(
        &self,
        account: AccountId,
        order: &OrderId,
    ) -> Result<(Answer, SingleOrder), Failure> {
        let (answer, body) = self
            .ask(self.slow(self.paths.single_order(account, order)))
            .await?;
        let read =
            single_order_answer::read(body, order).map_err(|words| not_the_contract(&answer, words))?;
        Ok((answer, read))
    }

    /// An answer with rows of orders, which are read one after the other: as values, all together would take many times
    /// the memory of their text.
    async fn rows(&self, url: Url) -> Result<Answer, Failure> {
        let answer = self.transport.exchange(self.slow(url)).await?;
        check_status(&answer)?;
        Ok(answer)
    }

    async fn ask(&self, call: Call) -> Result<(Answer, Value), Failure> {
        let answer = self.transport.exchange(call).await?;
        let body = json_of_success(&answer)?;
        Ok((answer, body))
    }

    fn quick(&self, url: Url) -> Call {
        Call {
            method: Method::GET,
            url,
            body: None,
            effect: Effect::Reads,
            authorized: true,
            body_bytes_max: SMALL_BODY_BYTES_MAX,
            timeout_ms: self.timeout_ms,
        }
    }

    fn slow(&self, url: Url) -> Call {
        Call {
            body_bytes_max: LIST_BODY_BYTES_MAX,
            timeout_ms: self.list_timeout_ms,
            ..self.quick(url)
        }
    }
}
