//! The rules of the design, sections 3 to 6, told as scenarios: each row and paragraph has one named after it.
//!
//! They run against a backend and not against the bare decisions, so that a backend that loads, orders or writes
//! a row wrongly is found by the same scenario as a rule that is wrong.

#![expect(
    clippy::unwrap_used,
    reason = "a scenario that meets what it does not expect ends there, and says where"
)]

mod adjustments;
mod adoptions;
mod cancellations;
mod claims;
mod doubts;
mod form;
pub(super) mod histories;
mod idempotency;
mod imports;
mod intake_table;
mod known_is_not_unknown;
mod mappings;
mod merged_forms;
mod model;
mod modes;
mod newer_copies;
mod outages;
mod pulled_orders;
mod refunds;
mod retries;
mod reviews;
mod rollbacks;
mod single_lines;
mod stock_and_sku;
mod world;

use std::future::Future;

use super::Fixture;
use crate::Rules;

use world::World;

macro_rules! tell {
    ($make:ident; $($theme:ident: $($scenario:ident),+ $(,)?;)+) => {
        $($({
            let name = concat!(stringify!($theme), "::", stringify!($scenario));
            let mut world = World::new($make(world::rules()).await, name);
            Box::pin($theme::$scenario(&mut world)).await;
            Box::pin(world.finish()).await;
        })+)+
    };
}

/// Runs every scenario, each on a store of its own.
///
/// # Panics
/// When a backend does not keep a rule.
pub(super) async fn exercise_rules<F, Made>(make: &F)
where
    F: Fn(Rules) -> Made,
    Made: Future<Output = Fixture>,
{
    intake(make).await;
    stock(make).await;
    deliveries(make).await;
    people(make).await;
    orders_service(make).await;
}

async fn intake<F, Made>(make: &F)
where
    F: Fn(Rules) -> Made,
    Made: Future<Output = Fixture>,
{
    tell! { make;
        intake_table:
            ready_and_unknown_is_deducted,
            ready_and_deducted_answers_with_the_first_operation,
            a_newer_copy_of_a_deducted_order_moves_the_difference,
            an_unpaid_order_is_remembered_and_waits,
            an_unpaid_copy_of_a_deducted_order_does_nothing,
            an_unpaid_order_is_deducted_where_that_is_configured,
            a_cancelled_unknown_order_is_recorded_as_skipped,
            a_cancelled_deducted_order_is_refunded,
            a_cancelled_shipped_order_is_reviewed,
            a_remote_true_flag_is_reviewed_and_not_deducted,
            a_remote_true_flag_of_a_waiting_order_is_reviewed_and_not_deducted,
            a_remote_true_flag_of_a_deducted_order_does_nothing,
            goods_of_allegro_are_skipped,
            goods_of_allegro_that_say_so_late_are_skipped,
            a_line_of_another_account_is_reviewed,
            one_order_id_of_two_accounts_is_two_orders,
            returned_never_restocks_by_itself;
        newer_copies:
            a_revision_seen_before_is_never_newer,
            a_posted_copy_with_an_unseen_revision_is_newer,
            a_live_copy_is_newer_when_updated_later,
            a_copy_from_the_list_never_changes_quantities,
            a_line_that_went_away_comes_back_and_stays_away,
            lines_that_came_and_went_move_both_ways,
            a_larger_quantity_waits_for_stock_whole,
            a_newer_copy_of_a_waiting_difference_replaces_it,
            a_line_that_went_away_while_a_difference_waits_still_comes_back,
            a_partial_refund_stays_through_a_newer_copy,
            a_partial_refund_stays_while_a_difference_waits,
            a_shipped_order_is_not_changed_by_a_copy,
            a_newer_copy_with_a_line_of_another_account_is_reviewed,
            a_newer_copy_of_a_waiting_order_with_a_line_of_another_account_is_reviewed,
            a_newer_copy_of_a_waiting_difference_with_a_line_of_another_account_is_reviewed,
            a_newer_copy_of_a_waiting_order_replaces_its_lines;
        merged_forms:
            the_form_with_more_lines_takes_the_deduction_along,
            a_merged_form_with_another_quantity_moves_the_difference,
            the_merged_flag_is_sent_false_only_if_it_was_sent_true,
            a_merged_form_moves_nothing_and_answers_with_the_winner,
            a_form_that_comes_after_the_merged_one_is_closed,
            forms_that_wait_for_payment_are_merged_too,
            a_form_that_waits_for_stock_is_merged_too,
            what_was_given_back_stays_given_back_in_the_merged_form,
            what_was_given_back_stays_so_while_the_merged_form_waits,
            rolling_back_the_merged_form_restores_all_of_it,
            rolling_back_a_merged_form_that_waited_restores_all_of_it,
            a_merged_form_under_delivery_ends_false,
            a_merged_form_whose_flag_is_in_doubt_ends_false,
            a_merged_form_that_had_failed_ends_false,
            a_merged_form_that_had_failed_long_ago_ends_false,
            what_came_to_a_merged_form_is_told_when_the_rest_is_settled,
            a_cancelled_copy_never_takes_lines_from_their_holder,
            goods_of_allegro_never_take_lines_from_their_holder,
            a_line_settled_by_a_person_is_not_deducted_in_the_merged_form,
            a_chain_of_merged_forms_answers_with_the_last;
        known_is_not_unknown:
            a_rolled_back_order_is_not_deducted_again,
            a_refunded_order_is_not_deducted_again,
            a_cancelled_order_is_not_deducted_again,
            a_person_can_force_it,
            a_line_that_went_away_stays_known_when_the_order_is_forced,
            a_seller_s_cancellation_taken_back_is_reviewed,
            a_forced_reopened_order_is_not_refunded_by_the_old_copy,
            trying_an_unpaid_order_again_does_not_deduct_it,
            trying_again_a_remote_only_order_does_not_deduct_it,
            trying_again_an_order_of_two_accounts_does_not_deduct_it;
        adoptions:
            an_adopted_order_is_never_deducted,
            an_order_is_adopted_once,
            an_order_that_waits_here_waits_no_more,
            an_order_that_was_deducted_here_is_a_conflict,
            a_flag_that_is_handed_over_is_sent_and_balances_stay,
            an_adopted_order_is_handed_over_later,
            a_flag_is_handed_over_only_with_what_was_taken;
        cancellations:
            a_cancellation_before_the_ready_wins,
            a_cancellation_while_waiting_calls_off,
            a_cancellation_racing_the_delivery_ends_false,
            a_cancellation_racing_a_deduction_ends_right_under_every_interleaving,
            a_cancellation_of_an_order_whose_delivery_failed_ends_false,
            a_cancellation_with_a_waiting_difference_gives_all_back,
            a_cancelled_order_whose_refund_is_rolled_back_is_taken_again,
            a_cancelled_order_twice_is_refunded_once;
        single_lines:
            a_single_line_is_told_at_once_when_no_form_is_known,
            the_same_again_is_a_duplicate,
            another_quantity_needs_a_line_id,
            a_form_moves_only_the_difference,
            a_form_with_less_gives_back,
            a_form_that_covers_none_of_its_single_lines_is_told_when_it_is_called_off,
            a_waiting_single_line_is_covered_by_its_form,
            a_waiting_single_line_is_not_forgotten_when_another_is_taken,
            two_waiting_single_lines_are_both_served,
            a_flag_is_held_back_until_the_form_is_covered,
            a_held_back_flag_is_told_when_the_rest_is_called_off,
            single_lines_that_cover_an_unpaid_form_are_told,
            rolling_back_after_the_form_came_restores_all,
            a_single_line_of_a_reviewed_order_is_not_taken,
            a_line_held_by_another_form_is_refused,
            a_form_with_a_line_of_another_account_is_reviewed,
            a_line_of_another_account_is_put_before_a_person;
    }
}

async fn orders_service<F, Made>(make: &F)
where
    F: Fn(Rules) -> Made,
    Made: Future<Output = Fixture>,
{
    tell! { make;
        pulled_orders:
            a_pulled_order_is_never_deducted_before_its_flag_was_confirmed,
            a_missed_order_is_deducted_only_when_a_person_says_so,
            a_missed_order_that_is_posted_is_deducted,
            a_missed_order_that_was_deducted_elsewhere_is_asked_about_as_such,
            a_missed_order_that_is_cancelled_is_no_question_any_more,
            an_unpaid_order_whose_payment_was_missed_is_asked_about,
            a_missed_order_that_is_not_ready_is_no_question,
            an_old_cancellation_is_asked_about_and_gives_nothing_back,
            an_old_cancellation_that_is_dealt_with_closes_its_question,
            a_difference_that_is_asked_about_moves_nothing,
            an_order_that_cannot_be_read_is_before_a_person_until_it_can,
            an_unread_order_that_was_settled_is_not_deducted,
            an_unread_order_of_which_a_line_is_posted_is_deducted,
            an_order_that_the_service_does_not_show_is_asked_about_until_it_does,
            a_flag_that_the_service_lost_is_sent_again,
            a_flag_that_was_given_up_is_sent_again_and_answers_its_question,
            saldo_sends_no_flag_of_an_order_that_it_has_no_opinion_on;
        modes:
            a_posted_order_is_not_deducted_while_saldo_is_off,
            a_pulled_order_is_left_alone_while_saldo_is_off,
            shadow_records_what_would_be_done_and_does_nothing,
            the_flag_that_the_old_way_sent_is_no_reason_to_ask_in_shadow,
            a_later_copy_in_shadow_brings_the_record_up_to_date,
            a_comparison_stands_until_something_else_would_be_done,
            single_lines_in_shadow_are_recorded_together,
            forms_that_are_merged_in_shadow_are_recorded_as_one,
            an_order_of_the_old_way_is_deducted_only_when_a_person_hands_it_over,
            a_cancelled_order_of_the_old_way_cannot_be_handed_over,
            a_form_merged_from_an_order_of_the_old_way_is_reviewed,
            what_was_taken_in_is_finished_after_saldo_is_switched_off,
            what_waits_for_stock_is_deducted_after_saldo_is_off_unless_it_is_called_off,
            a_form_merged_from_an_order_taken_in_stays_saldo_s_after_it_is_off,
            a_partial_mode_is_on_for_its_accounts_and_shadow_for_the_others,
            a_share_of_the_orders_is_on_and_stays_the_same,
            switching_on_needs_a_count_or_a_person_s_word,
            switching_on_writes_where_to_begin,
            a_pulled_order_bought_before_the_part_that_is_on_grew_over_it_is_the_old_way_s,
            a_pulled_order_bought_before_the_start_is_neither_deducted_nor_reviewed,
            the_later_start_counts,
            the_configured_mode_counts_until_one_is_set,
            the_same_mode_again_changes_nothing,
            a_mode_that_cannot_be_is_refused,
            an_answer_to_a_review_acts_in_every_mode;
    }
}

async fn stock<F, Made>(make: &F)
where
    F: Fn(Rules) -> Made,
    Made: Future<Output = Fixture>,
{
    tell! { make;
        stock_and_sku:
            a_line_without_sku_is_reviewed,
            a_sku_never_held_is_reviewed,
            too_little_stock_is_reviewed_with_what_is_short,
            a_receipt_tries_again_by_itself,
            orders_that_want_more_do_not_hold_up_those_that_want_less,
            a_repeat_tries_again,
            an_order_is_deducted_whole_or_not_at_all,
            a_balance_never_falls_below_zero_unless_allowed,
            two_lines_of_one_offer_are_two_lines;
        mappings:
            a_mapping_wins_over_the_offer_s_own_sku,
            a_mapping_tries_every_open_review_of_its_offer,
            a_set_takes_its_units,
            a_changed_mapping_does_not_move_what_was_taken,
            several_missing_offers_are_mapped_one_by_one;
        adjustments:
            a_receipt_grows_a_balance,
            a_count_sets_a_balance,
            a_first_count_of_zero_makes_a_sku_known,
            a_transfer_moves_between_warehouses,
            a_transfer_of_more_than_is_there_is_refused,
            undoing_a_receipt_twice_is_the_same_as_once,
            undoing_a_receipt_that_was_sold_is_refused;
        imports:
            a_list_sets_every_balance_and_says_what_changed,
            the_same_list_again_changes_nothing,
            a_long_list_is_booked_in_operations_of_bounded_length,
            a_list_with_a_mistake_changes_nothing;
        refunds:
            the_flag_turns_false_only_at_zero,
            never_more_than_is_still_taken,
            one_sku_named_twice_comes_back_from_both_of_its_lines,
            a_refund_of_a_merged_form_is_refused,
            a_refund_to_zero_is_told_while_a_difference_waits,
            a_refund_to_zero_closes_the_question_whether_it_came_back;
        rollbacks:
            restores_what_is_still_taken,
            a_refund_undone_takes_no_more_than_the_order_says_now,
            a_refund_undone_while_its_call_is_under_way_is_not_completed_yet,
            twice_is_the_same_as_once,
            before_anything_was_applied_it_only_cancels,
            while_processing_the_new_level_follows,
            shipped_goods_need_force,
            undoing_a_refund_takes_again,
            undoing_a_refund_without_stock_is_refused,
            undoing_a_refund_needs_stock_for_all_lines_of_a_sku,
            a_rolled_back_order_calls_its_waiting_difference_off,
            rolling_back_one_of_two_failed_operations_keeps_the_question,
            after_a_lost_refund_the_flag_is_sent_again;
    }
}

async fn deliveries<F, Made>(make: &F)
where
    F: Fn(Rules) -> Made,
    Made: Future<Output = Fixture>,
{
    tell! { make;
        claims:
            one_delivery_at_a_time,
            a_claim_leaves_the_order_itself_as_it_is,
            a_clock_that_was_set_back_strands_nothing,
            an_expired_lease_returns_to_pending_by_itself,
            a_delivery_whose_lease_ended_comes_after_what_was_due_before_that,
            a_stale_token_changes_nothing,
            several_operations_are_settled_by_one_delivery,
            an_attempt_that_was_not_made_costs_nothing,
            a_level_that_changes_and_changes_back_is_confirmed_at_once;
        retries:
            delivered_is_completed,
            transient_is_retried_on_the_schedule,
            retry_after_is_a_lower_bound,
            used_up_retries_are_failed_and_reviewed,
            a_retry_by_hand_starts_afresh,
            a_retry_by_hand_takes_up_all_that_failed,
            without_retries_the_first_failure_is_the_last,
            an_open_circuit_costs_no_retries,
            credentials_wait_without_reviews,
            an_unusable_account_is_one_review,
            permanent_is_failed_at_once,
            a_refused_flag_of_a_merged_form_is_reviewed,
            a_failed_operation_is_settled_by_the_next_delivery;
        doubts:
            unknown_is_retried_with_the_level,
            a_flag_sent_under_doubt_is_read_back_and_again_later,
            a_late_arrival_is_found_and_mended,
            a_doubt_outlives_the_last_retry,
            a_doubt_takes_back_what_was_confirmed,
            a_doubt_outlives_the_delivery_that_was_given_up,
            a_lease_that_ended_is_a_doubt,
            a_failed_read_back_is_tried_again;
        outages:
            what_waited_too_long_is_given_up_under_one_review,
            the_end_of_an_outage_takes_everything_up_again,
            a_retry_of_the_review_ends_the_outage,
            a_review_is_not_closed_over_what_was_given_up_under_it,
            a_leased_delivery_is_not_given_up,
            a_delivery_without_operations_is_not_forgotten,
            a_new_operation_during_an_outage_settles_what_was_given_up,
            give_up_of_a_partly_failed_delivery;
    }
}

async fn people<F, Made>(make: &F)
where
    F: Fn(Rules) -> Made,
    Made: Future<Output = Fixture>,
{
    for reason in saldo_domain::review::ReviewReason::ALL {
        for resolution in saldo_domain::review::Resolution::ALL {
            let mut world = World::new(make(world::rules()).await, "reviews::table");
            Box::pin(reviews::cell(&mut world, reason, resolution)).await;
            Box::pin(world.finish()).await;
        }
    }
    tell! { make;
        reviews:
            an_answer_given_twice_is_the_same_as_once,
            an_answer_that_was_cut_short_goes_on_when_it_is_given_again,
            another_answer_to_a_closed_review_is_refused,
            an_unknown_review_is_refused,
            a_review_whose_cause_is_gone_closes_itself,
            calling_off_a_failed_deduction_and_refund_takes_nothing;
        idempotency:
            the_same_key_and_body_give_the_same_answer,
            the_same_key_with_another_body_is_refused,
            every_kind_of_answer_is_recorded;
    }
}
