//! Random steps in a world so small that they collide: few accounts, orders, lines, offers and SKUs.

use proptest::collection::vec;
use proptest::prelude::*;
use saldo_domain::decide::{
    Adopt, AdoptedLine, AnswerKey, ClaimOrders, ClaimRequest, Command, Count, Deduct, Map, Receipt, Refund,
    RefundLine, Request, Resolve, RollBack, Settle, StockLine, TakeIn, Transfer,
};
use saldo_domain::delivery::{Claim, Failure, Outcome as AttemptOutcome};
use saldo_domain::form::{CopyLine, FormStatus, OrderCopy, Source};
use saldo_domain::ids::{LineItemId, OfferId, OperationId, OrderKey, ReviewId};
use saldo_domain::review::{Resolution, ReviewReason, Subject};
use saldo_domain::stock::{Component, OfferKey, StockKey};
use saldo_domain::text::Warehouse;
use saldo_domain::view::{DueRequest, ListKey};

use super::forms::{account, at, order, policy, sku, warehouse};
use super::must;
use crate::memory::Tables;

/// One step of a random history. Numbers pick from what is there when its turn comes.
#[derive(Debug, Clone)]
pub(super) struct Step {
    /// Seconds that pass before it; the clock may go back a little.
    pub(super) seconds: i64,
    /// An idempotency key and a fingerprint, now and then.
    pub(super) answer_key: Option<(u8, u8)>,
    /// What is asked.
    pub(super) act: Act,
}

/// What a step asks.
#[derive(Debug, Clone)]
pub(super) enum Act {
    TakeIn {
        order: Pick,
        copy: RandomCopy,
        warehouse: Option<u8>,
        force: bool,
        remote_flag: Option<bool>,
    },
    Deduct {
        order: Pick,
        line: Option<u8>,
        sku: u8,
        quantity: i64,
    },
    Refund {
        order: Pick,
        sku: u8,
        quantity: i64,
        warehouse: Option<u8>,
    },
    TryAgain {
        order: Pick,
    },
    Waiting {
        account: u8,
        sku: u8,
        by_offer: bool,
    },
    RollBack {
        operation: usize,
        force: bool,
    },
    Retry {
        operation: usize,
    },
    Resolve {
        review: usize,
        resolution: Resolution,
        sku: u8,
    },
    Receive {
        lines: Vec<(u8, u8, i64)>,
    },
    Count {
        lines: Vec<(u8, u8, i64)>,
    },
    Import {
        lines: Vec<(u8, u8, i64)>,
    },
    Adopt {
        order: Pick,
        sku: u8,
        quantity: i64,
        hand_over: bool,
    },
    Transfer {
        sku: u8,
        from: u8,
        to: u8,
        quantity: i64,
    },
    Map {
        account: u8,
        sku: u8,
        components: Vec<(u8, i64)>,
    },
    Claim {
        after: Option<u8>,
        only: Option<u8>,
        excluded: Option<u8>,
        per_account_max: usize,
        count_max: usize,
    },
    ClaimThese {
        orders: Vec<Pick>,
    },
    Settle {
        claim: usize,
        outcome: u8,
        draw: f64,
    },
    GiveUp {
        account: Option<u8>,
        hours: i64,
    },
    EndOutage {
        review: usize,
    },
    CloseWidely {
        reason: bool,
        account: Option<u8>,
    },
}

/// One of a few orders of a few accounts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pick(u8, u8);

impl Pick {
    fn key(self) -> OrderKey {
        order(self.0, &format!("order-{}", self.1))
    }
}

/// The orders that a history may touch.
pub(super) fn all_orders() -> Vec<OrderKey> {
    (1..=2)
        .flat_map(|account| (0..4).map(move |number| Pick(account, number).key()))
        .collect()
}

/// The offers that a history may touch.
pub(super) fn all_offers() -> Vec<OfferKey> {
    (1..=2)
        .flat_map(|account| (0..3).map(move |number| offer_key(account, number)))
        .collect()
}

/// A line: its id, its offer, its SKU, its quantity.
type RandomLine = (Option<u8>, Option<u8>, Option<u8>, i64);

/// A copy of an order, in numbers.
#[derive(Debug, Clone)]
pub(super) struct RandomCopy {
    source: u8,
    status: u8,
    marks: u8,
    revision: Option<u8>,
    updated_at: Option<u8>,
    lines: Vec<RandomLine>,
}

fn pick() -> impl Strategy<Value = Pick> {
    (1..=2_u8, 0..4_u8).prop_map(|(account, order)| Pick(account, order))
}

fn copies() -> impl Strategy<Value = RandomCopy> {
    let line = (
        prop::option::weighted(0.9, 0..6_u8),
        prop::option::weighted(0.8, 0..3_u8),
        prop::option::weighted(0.85, 0..3_u8),
        1..4_i64,
    );
    let marks = prop_oneof![6 => Just(0_u8), 1 => 0..16_u8];
    let status = prop_oneof![6 => Just(0_u8), 3 => 0..4_u8];
    (
        0..4_u8,
        status,
        marks,
        prop::option::of(0..4_u8),
        prop::option::of(0..5_u8),
        vec(line, 1..4),
    )
        .prop_map(
            |(source, status, marks, revision, updated_at, lines)| RandomCopy {
                source,
                status,
                marks,
                revision,
                updated_at,
                lines,
            },
        )
}

impl RandomCopy {
    fn copy(&self, key: &OrderKey) -> OrderCopy {
        let mut seen = Vec::new();
        let mut lines = Vec::new();
        for (id, offer, external, quantity) in &self.lines {
            if id.is_some() && seen.contains(id) {
                continue;
            }
            seen.push(*id);
            lines.push(CopyLine {
                id: id.map(line_id),
                offer: offer.map(|number| offer_key(1, number).offer),
                external: external.map(|number| sku(&format!("SKU-{number}"))),
                quantity: *quantity,
            });
        }
        OrderCopy {
            order: key.order.clone(),
            source: [Source::Posted, Source::Posted, Source::Listed, Source::Live][usize::from(self.source)],
            status: [
                FormStatus::Ready,
                FormStatus::Bought,
                FormStatus::FilledIn,
                FormStatus::Cancelled,
            ][usize::from(self.status)],
            fulfillment_cancelled: self.marks & 1 != 0,
            shipped: self.marks & 2 != 0,
            returned: self.marks & 4 != 0,
            fulfilled_by_allegro: self.marks & 8 != 0,
            revision: self.revision.map(|revision| format!("r{revision}")),
            updated_at: self.updated_at.map(|moment| at(i64::from(moment))),
            bought_at: self.updated_at.map(|_| at(0)),
            lines,
        }
    }
}

fn line_id(number: u8) -> LineItemId {
    must!(LineItemId::parse(&format!("line-{number}")), "a line id")
}

fn offer_key(account_number: u8, number: u8) -> OfferKey {
    let offer = must!(OfferId::parse(&format!("offer-{number}")), "an offer id");
    OfferKey {
        account: account(account_number),
        offer,
    }
}

fn place(number: u8) -> Warehouse {
    if number == 0 {
        policy().default_warehouse
    } else {
        warehouse("second")
    }
}

fn stock_key(sku_number: u8, place_number: u8) -> StockKey {
    StockKey {
        sku: sku(&format!("SKU-{sku_number}")),
        warehouse: place(place_number),
    }
}

fn orders_acts() -> impl Strategy<Value = Act> {
    let take_in = (
        pick(),
        copies(),
        prop::option::weighted(0.1, 0..2_u8),
        prop::bool::weighted(0.1),
        prop::option::weighted(0.15, any::<bool>()),
    );
    prop_oneof![
        10 => take_in.prop_map(|(order, copy, warehouse, force, remote_flag)| {
            Act::TakeIn { order, copy, warehouse, force, remote_flag }
        }),
        2 => (pick(), prop::option::of(0..6_u8), 0..3_u8, 1..4_i64)
            .prop_map(|(order, line, sku, quantity)| Act::Deduct { order, line, sku, quantity }),
        2 => (pick(), 0..3_u8, 1..3_i64, prop::option::weighted(0.2, 0..2_u8))
            .prop_map(|(order, sku, quantity, warehouse)| Act::Refund { order, sku, quantity, warehouse }),
        1 => pick().prop_map(|order| Act::TryAgain { order }),
        2 => (1..=2_u8, 0..3_u8, any::<bool>())
            .prop_map(|(account, sku, by_offer)| Act::Waiting { account, sku, by_offer }),
        3 => (0..30_usize, any::<bool>()).prop_map(|(operation, force)| Act::RollBack { operation, force }),
        2 => (0..30_usize).prop_map(|operation| Act::Retry { operation }),
        4 => (0..12_usize, prop::sample::select(Resolution::ALL.to_vec()), 0..3_u8)
            .prop_map(|(review, resolution, sku)| Act::Resolve { review, resolution, sku }),
    ]
}

fn goods_acts() -> impl Strategy<Value = Act> {
    let lines = || vec((0..3_u8, 0..2_u8, 0..8_i64), 1..3);
    prop_oneof![
        5 => vec((0..3_u8, 0..2_u8, 1..8_i64), 1..3).prop_map(|lines| Act::Receive { lines }),
        2 => lines().prop_map(|lines| Act::Count { lines }),
        2 => lines().prop_map(|lines| Act::Import { lines }),
        2 => (pick(), 0..3_u8, 1..4_i64, any::<bool>())
            .prop_map(|(order, sku, quantity, hand_over)| Act::Adopt { order, sku, quantity, hand_over }),
        1 => (0..3_u8, 0..2_u8, 0..2_u8, 1..4_i64)
            .prop_map(|(sku, from, to, quantity)| Act::Transfer { sku, from, to, quantity }),
        1 => (1..=2_u8, 0..3_u8, vec((0..3_u8, 1..3_i64), 1..3))
            .prop_map(|(account, sku, components)| Act::Map { account, sku, components }),
    ]
}

fn delivery_acts() -> impl Strategy<Value = Act> {
    let an_account = || prop::option::weighted(0.3, 1..=2_u8);
    prop_oneof![
        4 => (an_account(), an_account(), an_account(), 1..3_usize, 1..4_usize).prop_map(
            |(after, only, excluded, per_account_max, count_max)| Act::Claim {
                after, only, excluded, per_account_max, count_max,
            }
        ),
        2 => vec(pick(), 1..4).prop_map(|orders| Act::ClaimThese { orders }),
        7 => (0..6_usize, 0..9_u8, 0.0..1.0_f64)
            .prop_map(|(claim, outcome, draw)| Act::Settle { claim, outcome, draw }),
        1 => (prop::option::of(1..=2_u8), 0..30_i64).prop_map(|(account, hours)| Act::GiveUp { account, hours }),
        1 => (0..12_usize).prop_map(|review| Act::EndOutage { review }),
        1 => (any::<bool>(), prop::option::of(1..=2_u8))
            .prop_map(|(reason, account)| Act::CloseWidely { reason, account }),
    ]
}

/// Random steps.
pub(super) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let act = prop_oneof![5 => orders_acts(), 2 => goods_acts(), 4 => delivery_acts()];
    let seconds = prop_oneof![6 => 0..120_i64, 2 => 0..30_000_i64, 1 => -100..0_i64];
    let answer_key = prop::option::weighted(0.1, (0..3_u8, 0..2_u8));
    let step = (seconds, answer_key, act).prop_map(|(seconds, answer_key, act)| Step {
        seconds,
        answer_key,
        act,
    });
    vec(step, 1..60)
}

/// The request of a step, as things stand in the model.
pub(super) fn request(step: &Step, seconds: i64, tables: &Tables, claims: &[Claim]) -> Option<Request> {
    let command = stock_command(&step.act)
        .or_else(|| delivery_command(&step.act, seconds, tables, claims))
        .or_else(|| order_command(&step.act, tables))?;
    let answer_key = step.answer_key.map(|(key, fingerprint)| AnswerKey {
        key: format!("key-{key}"),
        fingerprint: format!("{fingerprint}"),
    });
    // A claim and its settlement are never recorded.
    let answer_key = answer_key.filter(|_| !matches!(command, Command::Claim(_) | Command::Settle(_)));
    Some(Request {
        command,
        now: at(seconds),
        by: "tester".to_owned(),
        answer_key,
    })
}

fn nth_operation(tables: &Tables, number: usize) -> Option<OperationId> {
    let ids: Vec<_> = tables.operations.keys().rev().collect();
    ids.get(number % ids.len().max(1)).map(|id| **id)
}

fn nth_review(tables: &Tables, number: usize) -> Option<ReviewId> {
    let ids: Vec<_> = tables.reviews.keys().rev().collect();
    ids.get(number % ids.len().max(1)).map(|id| **id)
}

fn order_command(act: &Act, tables: &Tables) -> Option<Command> {
    Some(match act {
        Act::TakeIn {
            order,
            copy,
            warehouse,
            force,
            remote_flag,
        } => Command::TakeIn(TakeIn {
            account: order.key().account,
            copy: copy.copy(&order.key()),
            warehouse: warehouse.map(place),
            force: *force,
            remote_flag: *remote_flag,
        }),
        Act::Deduct {
            order,
            line,
            sku: sku_number,
            quantity,
        } => Command::Deduct(Deduct {
            key: order.key(),
            line: line.map(line_id),
            sku: sku(&format!("SKU-{sku_number}")),
            quantity: *quantity,
            warehouse: None,
        }),
        Act::Refund {
            order,
            sku: sku_number,
            quantity,
            warehouse,
        } => Command::Refund(Refund {
            key: order.key(),
            lines: vec![RefundLine {
                sku: sku(&format!("SKU-{sku_number}")),
                quantity: *quantity,
                warehouse: warehouse.map(place),
            }],
            reason: "it came back".to_owned(),
        }),
        Act::TryAgain { order } => Command::TryAgain { order: order.key() },
        Act::Waiting {
            account: account_number,
            sku: number,
            by_offer,
        } => Command::Waiting(if *by_offer {
            ListKey::AwaitingOffer(offer_key(*account_number, *number), None)
        } else {
            ListKey::AwaitingStock(stock_key(*number, 0), None)
        }),
        Act::RollBack { operation, force } => Command::RollBack(RollBack {
            operation: nth_operation(tables, *operation)?,
            reason: "a mistake".to_owned(),
            force: *force,
        }),
        Act::Retry { operation } => Command::Retry {
            operation: nth_operation(tables, *operation)?,
        },
        Act::Resolve {
            review,
            resolution,
            sku: sku_number,
        } => Command::Resolve(Resolve {
            review: nth_review(tables, *review)?,
            resolution: *resolution,
            note: None,
            components: if *resolution == Resolution::MapSku {
                vec![Component {
                    sku: sku(&format!("SKU-{sku_number}")),
                    units: 1,
                }]
            } else {
                Vec::new()
            },
        }),
        _ => return None,
    })
}

fn stock_lines(lines: &[(u8, u8, i64)]) -> Vec<StockLine> {
    let mut found: Vec<StockLine> = Vec::new();
    for (sku_number, place_number, quantity) in lines {
        let key = stock_key(*sku_number, *place_number);
        if found.iter().all(|line| line.key != key) {
            found.push(StockLine {
                key,
                quantity: *quantity,
            });
        }
    }
    found
}

fn stock_command(act: &Act) -> Option<Command> {
    Some(match act {
        Act::Receive { lines } => Command::Receive(Receipt {
            lines: stock_lines(lines),
            reference: None,
        }),
        Act::Count { lines } => Command::Count(Count {
            lines: stock_lines(lines),
            reason: "a count".to_owned(),
        }),
        Act::Import { lines } => Command::Import(Count {
            lines: stock_lines(lines),
            reason: "a list".to_owned(),
        }),
        Act::Adopt {
            order,
            sku: number,
            quantity,
            hand_over,
        } => Command::Adopt(Adopt {
            key: order.key(),
            lines: vec![AdoptedLine {
                sku: sku(&format!("SKU-{number}")),
                quantity: *quantity,
                warehouse: None,
            }],
            flag_confirmed: Some(!hand_over),
            hand_over: *hand_over,
            source: Some("sale".to_owned()),
        }),
        Act::Transfer {
            sku: sku_number,
            from,
            to,
            quantity,
        } => Command::Transfer(Transfer {
            sku: sku(&format!("SKU-{sku_number}")),
            from: place(*from),
            to: place(*to),
            quantity: *quantity,
        }),
        Act::Map {
            account: account_number,
            sku: number,
            components,
        } => Command::Map(Map {
            key: offer_key(*account_number, *number),
            components: components
                .iter()
                .map(|(number, units)| Component {
                    sku: sku(&format!("SKU-{number}")),
                    units: *units,
                })
                .collect(),
        }),
        _ => return None,
    })
}

fn delivery_command(act: &Act, seconds: i64, tables: &Tables, claims: &[Claim]) -> Option<Command> {
    Some(match act {
        Act::Claim {
            after,
            only,
            excluded,
            per_account_max,
            count_max,
        } => Command::Claim(ClaimRequest {
            orders: ClaimOrders::Due(DueRequest {
                now: at(seconds),
                after_account: after.map(account),
                excluded: excluded.map(account).into_iter().collect(),
                only: only.map(account),
                per_account_max: *per_account_max,
                count_max: *count_max,
            }),
        }),
        Act::ClaimThese { orders } => {
            let orders = orders.iter().map(|order| order.key()).collect();
            Command::Claim(ClaimRequest {
                orders: ClaimOrders::These(orders),
            })
        }
        Act::Settle { claim, outcome, draw } => {
            let claim = claims.iter().rev().nth(*claim)?;
            Command::Settle(Settle {
                key: claim.key.clone(),
                token: claim.token,
                outcome: attempt_outcome(*outcome, seconds),
                draw: *draw,
                took_ms: 7,
            })
        }
        Act::GiveUp {
            account: account_number,
            hours,
        } => Command::GiveUp {
            account: account_number.map(account),
            before: at(seconds - hours * 3600),
        },
        // Only reviews of an outage are ever ended so: those about an order are answered.
        Act::EndOutage { review } => Command::EndOutage {
            review: nth_review(tables, *review).filter(|id| {
                tables
                    .reviews
                    .get(id)
                    .is_some_and(|review| review.subject.order().is_none())
            })?,
        },
        Act::CloseWidely {
            reason,
            account: account_number,
        } => Command::CloseWidely {
            reason: if *reason {
                ReviewReason::StuckUnpaid
            } else {
                ReviewReason::AccountUnusable
            },
            subject: account_number.map_or(Subject::Service, |number| Subject::Account(account(number))),
        },
        _ => return None,
    })
}

fn attempt_outcome(number: u8, seconds: i64) -> AttemptOutcome {
    let failure = Failure {
        message: "it failed".to_owned(),
        retry_after_seconds: (number == 2).then_some(700),
        counts: number != 3,
    };
    match number {
        0 | 1 => AttemptOutcome::Delivered,
        2 | 3 => AttemptOutcome::Transient(failure),
        4 => AttemptOutcome::Unknown(failure),
        5 => AttemptOutcome::Permanent(failure),
        6 => AttemptOutcome::AccountUnusable(failure),
        7 => AttemptOutcome::NotMade {
            again_at: at(seconds + 30),
        },
        _ => AttemptOutcome::Differs,
    }
}
