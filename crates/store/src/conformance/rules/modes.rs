//! Section 8: what is done with orders in each mode, and on the way from one to another.

use std::collections::BTreeSet;

use jiff::Timestamp;
use saldo_domain::decide::{Command, Outcome, SetMode, SyncStatus};
use saldo_domain::form::Source;
use saldo_domain::ids::OrderKey;
use saldo_domain::order::{SkipReason, Standing};
use saldo_domain::review::{Resolution, ReviewReason};
use saldo_domain::rollout::{Acting, Mode, Rollout, Verdict, Would};
use serde_json::json;

use super::form::{Form, form};
use super::world::{World, account, key, malformed, other_account, to_mode};
use crate::query::PageRequest;

fn order() -> Form {
    form("o1").line("l1", "A", 2)
}

fn old_way() -> Standing {
    Standing::Skipped {
        reason: SkipReason::OldWay,
    }
}

pub(super) async fn a_posted_order_is_not_deducted_while_saldo_is_off(world: &mut World) {
    world.receive("A", 10).await;
    world.switch(Mode::Off).await;
    assert_eq!(world.post(order()).await.status, SyncStatus::ModeOff);
    assert_eq!(world.deduct("o2", "A", 1).await.status, SyncStatus::ModeOff);
    world.expect_balance("A", 10).await;
    // It is seen, and so it belongs to the old way for ever.
    for seen in ["o1", "o2"] {
        assert_eq!(world.standing(seen).await, old_way(), "{seen}");
    }
    world.switch(Mode::On).await;
    assert_eq!(world.post(order()).await.status, SyncStatus::Skipped);
    assert_eq!(world.deduct("o2", "A", 1).await.status, SyncStatus::Skipped);
    world.expect_balance("A", 10).await;
    assert!(
        world.shadow("o1").await.is_none(),
        "off records nothing but that it was seen"
    );
}

pub(super) async fn a_pulled_order_is_left_alone_while_saldo_is_off(world: &mut World) {
    world.receive("A", 10).await;
    world.switch(Mode::Off).await;
    let pulled = world.pull(order().listed(), false).await;
    assert_eq!((pulled.status, pulled.review), (SyncStatus::Skipped, None));
    world.switch(Mode::On).await;
    let again = world.pull(order().listed(), false).await;
    assert_eq!((again.status, again.duplicate), (SyncStatus::Skipped, true));
    world.pull(order().listed(), true).await;
    world.expect_no_review("o1").await;
    world.expect_balance("A", 10).await;
}

pub(super) async fn shadow_records_what_would_be_done_and_does_nothing(world: &mut World) {
    world.receive("A", 10).await;
    world.switch(Mode::Shadow).await;
    let posted = world.post(order()).await;
    assert_eq!(posted.status, SyncStatus::Skipped);
    assert_eq!(posted.error.as_deref(), Some("shadow"));
    assert_eq!(world.would("o1").await, Would::Deduct);
    let shadow = world.shadow("o1").await.unwrap();
    let lines = json!([{ "sku": "A", "quantity": 2, "warehouse": "Ирина" }]);
    assert_eq!(shadow.details["lines"], lines);
    world
        .pull(form("unpaid").line("l2", "A", 2).unpaid().listed(), false)
        .await;
    assert_eq!(world.would("unpaid").await, Would::Wait);
    world.post(form("short").line("l3", "A", 99)).await;
    assert_eq!(world.would("short").await, Would::Ask);
    let short = world.shadow("short").await.unwrap();
    assert_eq!(short.details["review"], json!("insufficient_stock"));
    world
        .post(form("theirs").line("l4", "A", 1).fulfilled_by_allegro())
        .await;
    world.post(form("gone").line("l5", "A", 1).cancelled()).await;
    for left_alone in ["theirs", "gone"] {
        assert_eq!(world.would(left_alone).await, Would::Nothing, "{left_alone}");
    }
    world.ask(malformed("unread")).await.unwrap();
    assert_eq!(world.would("unread").await, Would::Ask);
    world.expect_balance("A", 10).await;
    assert!(world.claim().await.is_empty(), "nothing is owed");
    assert!(world.open_reviews().await.is_empty(), "and nobody is asked");
}

pub(super) async fn the_flag_that_the_old_way_sent_is_no_reason_to_ask_in_shadow(world: &mut World) {
    world.receive("A", 10).await;
    world.switch(Mode::Shadow).await;
    world.pull(order().listed(), true).await;
    assert_eq!(world.would("o1").await, Would::Deduct);
}

pub(super) async fn a_later_copy_in_shadow_brings_the_record_up_to_date(world: &mut World) {
    world.receive("A", 10).await;
    world.switch(Mode::Shadow).await;
    world.post(order().unpaid()).await;
    let first = world.shadow("o1").await.unwrap();
    world.advance(60);
    world.post(order().revision("second")).await;
    let second = world.shadow("o1").await.unwrap();
    assert_eq!((first.would, second.would), (Would::Wait, Would::Deduct));
    assert_eq!(first.seen_at, second.seen_at);
    // An old unpaid copy is no news.
    world.post(order().unpaid()).await;
    assert_eq!(world.would("o1").await, Would::Deduct);
    world.post(order().cancelled()).await;
    assert_eq!(world.would("o1").await, Would::Nothing);
    world.expect_balance("A", 10).await;
}

pub(super) async fn a_comparison_stands_until_something_else_would_be_done(world: &mut World) {
    world.receive("A", 10).await;
    world.switch(Mode::Shadow).await;
    world.post(order()).await;
    world.compare_shadow("o1", true, Verdict::Same).await;
    world.post(form("o1").line("l1", "A", 3).revision("second")).await;
    let more = world.shadow("o1").await.unwrap();
    assert_eq!(
        more.verdict,
        Verdict::Same,
        "the same would be done, with other lines"
    );
    assert_eq!(more.details["lines"][0]["quantity"], json!(3));
    world.post(order().cancelled()).await;
    let cancelled = world.shadow("o1").await.unwrap();
    assert_eq!(
        (cancelled.verdict, cancelled.remote_flag),
        (Verdict::Undecided, None)
    );
}

pub(super) async fn single_lines_in_shadow_are_recorded_together(world: &mut World) {
    world.receive("A", 10).await;
    world.receive("B", 10).await;
    world.switch(Mode::Shadow).await;
    for (name, quantity) in [("A", 2), ("B", 3), ("A", 2)] {
        let answer = world.deduct("o1", name, quantity).await;
        assert_eq!(answer.error.as_deref(), Some("shadow"));
    }
    let shadow = world.shadow("o1").await.unwrap();
    assert_eq!(shadow.would, Would::Deduct);
    assert_eq!(shadow.details["lines"].as_array().unwrap().len(), 2);
    world.expect_balance("A", 10).await;
}

pub(super) async fn forms_that_are_merged_in_shadow_are_recorded_as_one(world: &mut World) {
    world.receive("A", 10).await;
    world.receive("B", 10).await;
    world.switch(Mode::Shadow).await;
    world.post(form("o1").line("l1", "A", 2)).await;
    world
        .post(form("merged").line("l1", "A", 2).line("l2", "B", 1))
        .await;
    assert_eq!(world.would("merged").await, Would::Deduct);
    assert_eq!(world.would("o1").await, Would::Nothing);
    // A part of the merged form that comes late is closed into it.
    world.post(form("late").line("l2", "B", 1)).await;
    assert_eq!(world.would("late").await, Would::Nothing);
}

pub(super) async fn an_order_of_the_old_way_is_deducted_only_when_a_person_hands_it_over(world: &mut World) {
    world.receive("A", 10).await;
    world.switch(Mode::Shadow).await;
    world.post(order()).await;
    world.switch(Mode::On).await;
    world.post(order().revision("second")).await;
    world.pull(order().revision("third").listed(), false).await;
    world.deduct_line("o1", "l1", "A", 2).await;
    world.try_again("o1").await;
    world.expect_balance("A", 10).await;
    let forced = world.post_forced(order()).await;
    assert!(!forced.duplicate);
    world.expect_balance("A", 8).await;
    world.deliver().await;
    world.expect_remote("o1", true);
}

pub(super) async fn a_cancelled_order_of_the_old_way_cannot_be_handed_over(world: &mut World) {
    world.receive("A", 10).await;
    world.switch(Mode::Shadow).await;
    world.post(order()).await;
    world.post(order().cancelled()).await;
    world.switch(Mode::On).await;
    world.post_forced(order()).await;
    world.expect_balance("A", 10).await;
}

pub(super) async fn a_form_merged_from_an_order_of_the_old_way_is_reviewed(world: &mut World) {
    world.receive("A", 10).await;
    world.receive("B", 10).await;
    world.switch(Mode::Shadow).await;
    world.post(order()).await;
    world.switch(Mode::On).await;
    world
        .post(form("merged").line("l1", "A", 2).line("l2", "B", 1))
        .await;
    world.expect_review("merged", ReviewReason::RemoteOnly).await;
    world.expect_balance("A", 10).await;
    world.expect_balance("B", 10).await;
}

pub(super) async fn what_was_taken_in_is_finished_after_saldo_is_switched_off(world: &mut World) {
    world.receive("A", 10).await;
    world.post(form("cancelled").line("l1", "A", 1)).await;
    world.post(form("refunded").line("l2", "A", 1)).await;
    let undone = world.post(form("undone").line("l3", "A", 1)).await;
    world.post(form("changed").line("l4", "A", 1)).await;
    world.post(form("unpaid").line("l5", "A", 1).unpaid()).await;
    world.switch(Mode::Off).await;
    world.deliver().await;
    world.expect_remote("cancelled", true);
    world.post(form("cancelled").line("l1", "A", 1).cancelled()).await;
    world.refund("refunded", "A", 1).await;
    world.roll_back(undone.operation.unwrap()).await;
    world
        .post(form("changed").line("l4", "A", 3).revision("second"))
        .await;
    world
        .post(form("unpaid").line("l5", "A", 1).revision("second"))
        .await;
    world.expect_balance("A", 6).await;
    world.deliver().await;
    for (name, flag) in [
        ("cancelled", false),
        ("refunded", false),
        ("undone", false),
        ("changed", true),
    ] {
        world.expect_remote(name, flag);
    }
}

/// Whoever posted it was told that it is Saldo's, so the old way does not deduct it: nobody would.
pub(super) async fn what_waits_for_stock_is_deducted_after_saldo_is_off_unless_it_is_called_off(
    world: &mut World,
) {
    world.receive("A", 1).await;
    world.post(form("waiting").line("l1", "A", 2)).await;
    let called_off = world.post(form("called-off").line("l2", "A", 5)).await;
    world.switch(Mode::Off).await;
    world.roll_back(called_off.operation.unwrap()).await;
    world.receive("A", 20).await;
    assert_eq!(world.taken("waiting").await, 2);
    assert_eq!(world.taken("called-off").await, 0);
    world.expect_balance("A", 19).await;
    world.deliver().await;
    world.expect_remote("waiting", true);
    // New ones are the old way's all the same.
    let new = world.post(form("new").line("l3", "A", 1)).await;
    assert_eq!(new.status, SyncStatus::ModeOff);
    world.expect_balance("A", 19).await;
}

pub(super) async fn a_form_merged_from_an_order_taken_in_stays_saldo_s_after_it_is_off(world: &mut World) {
    world.receive("A", 10).await;
    world.receive("B", 10).await;
    world.post(order()).await;
    world.switch(Mode::Off).await;
    let merged = world
        .post(form("merged").line("l1", "A", 2).line("l2", "B", 1))
        .await;
    assert_eq!(merged.status, SyncStatus::Pending);
    world.expect_balance("A", 8).await;
    assert_eq!(world.taken("merged").await, 3);
}

pub(super) async fn a_partial_mode_is_on_for_its_accounts_and_shadow_for_the_others(world: &mut World) {
    world.receive("A", 10).await;
    let partial = SetMode {
        accounts: BTreeSet::from([other_account()]),
        ..to_mode(Mode::Partial)
    };
    world.ask(Command::SetMode(partial)).await.unwrap();
    world.post(order()).await;
    let theirs = form("o9").line("l9", "A", 1);
    assert_eq!(
        world.post_for(other_account(), theirs).await.status,
        SyncStatus::Pending
    );
    assert_eq!(world.would("o1").await, Would::Deduct);
    world.expect_balance("A", 9).await;
}

pub(super) async fn a_share_of_the_orders_is_on_and_stays_the_same(world: &mut World) {
    world.receive("A", 100).await;
    let partial = SetMode {
        percent: 50,
        ..to_mode(Mode::Partial)
    };
    let rollout = match world.ask(Command::SetMode(partial)).await {
        Ok(Outcome::Rollout(rollout)) => rollout,
        other => panic!("{other:?}"),
    };
    let mut on = 0;
    for number in 0..20 {
        let name = format!("order-{number}");
        let acting = rollout.acting(&OrderKey {
            account: account(),
            ..key(&name)
        });
        let line = format!("line-{number}");
        for _ in 0..2 {
            let posted = world.post(form(&name).line(&line, "A", 1)).await;
            let is_taken = posted.status == SyncStatus::Pending;
            assert_eq!(is_taken, acting == Acting::On, "{name}");
        }
        on += i64::from(acting == Acting::On);
    }
    assert!((1..20).contains(&on), "{on} of 20");
    world.expect_balance("A", 100 - on).await;
}

pub(super) async fn switching_on_needs_a_count_or_a_person_s_word(world: &mut World) {
    world.count("A", 10).await;
    world.advance(1);
    world.switch(Mode::Shadow).await;
    world.advance(1);
    for mode in [Mode::On, Mode::Partial] {
        let wanted = SetMode {
            percent: 1,
            ..to_mode(mode)
        };
        assert_eq!(world.refused(Command::SetMode(wanted)).await, "stock_not_counted");
    }
    // A receipt is no count.
    world.receive("A", 1).await;
    assert_eq!(
        world.refused(Command::SetMode(to_mode(Mode::On))).await,
        "stock_not_counted"
    );
    world.ask(Command::SetMode(to_mode(Mode::Off))).await.unwrap();
    world.advance(1);
    // One that finds what was known counts as well.
    world.count("A", 11).await;
    world.ask(Command::SetMode(to_mode(Mode::On))).await.unwrap();
    // A part leaves the rest to the old way, which sells meanwhile: all of them need a count of their own.
    world.advance(1);
    let part = SetMode {
        percent: 1,
        ..to_mode(Mode::Partial)
    };
    world.ask(Command::SetMode(part.clone())).await.unwrap();
    world.advance(1);
    let more = SetMode { percent: 2, ..part };
    world.ask(Command::SetMode(more)).await.unwrap();
    world.advance(1);
    assert_eq!(
        world.refused(Command::SetMode(to_mode(Mode::On))).await,
        "stock_not_counted"
    );
    world.count("A", 11).await;
    world.ask(Command::SetMode(to_mode(Mode::On))).await.unwrap();
}

pub(super) async fn switching_on_writes_where_to_begin(world: &mut World) {
    world.receive("A", 10).await;
    assert_eq!(world.switch(Mode::Shadow).await.start_from, None);
    world.now = Timestamp::from_second(1_700_000_100).unwrap();
    let on = world.switch(Mode::On).await;
    assert_eq!((on.start_from, on.changed_at), (Some(world.now), world.now));
    let before = world
        .pull(form("before").line("l1", "A", 1).bought(99).listed(), false)
        .await;
    assert_eq!(before.error.as_deref(), Some("before_start"));
    world
        .pull(form("after").line("l2", "A", 1).bought(100).listed(), false)
        .await;
    world.expect_balance("A", 9).await;
}

pub(super) async fn a_pulled_order_bought_before_the_part_that_is_on_grew_over_it_is_the_old_way_s(
    world: &mut World,
) {
    let at = |second: i64| Timestamp::from_second(1_700_000_000 + second).unwrap();
    world.receive("A", 10).await;
    world.switch(Mode::Shadow).await;
    let growing = [vec![other_account()], vec![other_account(), account()]];
    for (accounts, second) in growing.into_iter().zip([100, 200]) {
        world.now = at(second);
        let partial = SetMode {
            accounts: accounts.into_iter().collect(),
            stock_is_right: true,
            ..to_mode(Mode::Partial)
        };
        world.ask(Command::SetMode(partial)).await.unwrap();
    }
    world.now = at(300);
    // Nobody has pulled it before the part grew: until then the old way dealt with it.
    let missed = form("o1").line("l1", "A", 1).bought(150).listed();
    assert_eq!(
        world.pull(missed, false).await.error.as_deref(),
        Some("before_start")
    );
    world
        .pull(form("o2").line("l2", "A", 1).bought(200).listed(), false)
        .await;
    world.expect_balance("A", 9).await;
    // On stays on: where all is on, the first of these orders is the old way's still, and of those that come late
    // the ones that were Saldo's before are.
    world.now = at(400);
    world.switch(Mode::On).await;
    world
        .pull(form("o3").line("l3", "A", 1).bought(250).listed(), false)
        .await;
    world.expect_balance("A", 8).await;
    let again = form("o1").line("l1", "A", 1).bought(150).listed();
    world.pull(again, false).await;
    world.expect_balance("A", 8).await;
}

pub(super) async fn a_pulled_order_bought_before_the_start_is_neither_deducted_nor_reviewed(
    world: &mut World,
) {
    world.receive("A", 10).await;
    world
        .change_policy(|policy| policy.start_from = Timestamp::from_second(1_700_000_100).ok())
        .await;
    for source in [Source::Listed, Source::Searched, Source::Live] {
        let old = order().bought(99).from(source);
        let pulled = world.pull(old, true).await;
        assert_eq!((pulled.status, pulled.review), (SyncStatus::Skipped, None));
    }
    let standing = world.standing("o1").await;
    let reason = SkipReason::BeforeStart;
    assert_eq!(standing, Standing::Skipped { reason });
    world.expect_no_review("o1").await;
    // Whoever posts an order says himself where to begin; one that was seen is handed over with force only.
    world.post(form("posted").line("l2", "A", 1).bought(99)).await;
    world.expect_balance("A", 9).await;
    world.post(order().bought(99)).await;
    world.expect_balance("A", 9).await;
    world.post_forced(order().bought(99)).await;
    world.expect_balance("A", 7).await;
}

pub(super) async fn the_later_start_counts(world: &mut World) {
    world.receive("A", 10).await;
    world.switch(Mode::Off).await;
    world.now = Timestamp::from_second(1_700_000_100).unwrap();
    world.switch(Mode::On).await;
    world
        .change_policy(|policy| policy.start_from = Timestamp::from_second(1_700_000_050).ok())
        .await;
    world.pull(order().bought(60).listed(), false).await;
    world.expect_balance("A", 10).await;
    world
        .change_policy(|policy| policy.start_from = Timestamp::from_second(1_700_000_200).ok())
        .await;
    world
        .pull(form("o2").line("l2", "A", 1).bought(150).listed(), false)
        .await;
    world.expect_balance("A", 10).await;
}

pub(super) async fn the_configured_mode_counts_until_one_is_set(world: &mut World) {
    world.receive("A", 10).await;
    world
        .change_policy(|policy| policy.initial_mode = Mode::Shadow)
        .await;
    world.post(order()).await;
    assert_eq!(world.would("o1").await, Would::Deduct);
    let count_first = Command::SetMode(to_mode(Mode::On));
    assert_eq!(world.refused(count_first.clone()).await, "stock_not_counted");
    world.count("A", 10).await;
    world.ask(count_first).await.unwrap();
    world.post(form("o2").line("l2", "A", 1)).await;
    world.expect_balance("A", 9).await;
}

pub(super) async fn the_same_mode_again_changes_nothing(world: &mut World) {
    let shadow = world.switch(Mode::Shadow).await;
    world.advance(60);
    assert_eq!(world.switch(Mode::Shadow).await, shadow);
    world.advance(60);
    world.switch(Mode::On).await;
    let history = world.rollout_history().await;
    let modes: Vec<Mode> = history.iter().map(|rollout| rollout.mode).collect();
    assert_eq!(modes, [Mode::On, Mode::Shadow]);
    assert!(history.iter().all(|rollout| rollout.changed_by == "Anna"));
}

pub(super) async fn a_mode_that_cannot_be_is_refused(world: &mut World) {
    let too_many = SetMode {
        percent: 101,
        ..to_mode(Mode::Partial)
    };
    assert_eq!(world.refused(Command::SetMode(too_many)).await, "bad_percent");
    let nothing = Command::SetMode(to_mode(Mode::Partial));
    assert_eq!(world.refused(nothing).await, "partial_of_nothing");
    assert!(world.rollout_history().await.is_empty());
    // What limits a partial mode means nothing in the others.
    let limited = SetMode {
        percent: 7,
        ..to_mode(Mode::Shadow)
    };
    world.ask(Command::SetMode(limited)).await.unwrap();
    assert_eq!(world.rollout_history().await[0].percent, 0);
}

pub(super) async fn an_answer_to_a_review_acts_in_every_mode(world: &mut World) {
    world.receive("A", 1).await;
    world.post(order()).await;
    world.switch(Mode::Off).await;
    world
        .resolve("o1", ReviewReason::InsufficientStock, Resolution::Force)
        .await;
    assert_eq!(world.taken("o1").await, 2);
}

impl World {
    async fn rollout_history(&self) -> Vec<Rollout> {
        let page = PageRequest {
            after: None,
            limit: 100,
        };
        self.store().rollout_changes(page).await.unwrap().items
    }

    async fn compare_shadow(&self, order: &str, flag: bool, verdict: Verdict) {
        let verdicts = vec![(key(order), flag, verdict)];
        self.store().put_verdicts(verdicts, self.now).await.unwrap();
    }
}
