//! From what was observed to what is wrong: the thresholds.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::kind::AlertKind;
use super::policy::AlertPolicy;
use super::record::{AlertSubject, EXAMPLES_MAX, Example, Facts, TaskName};
use super::watch::{Finding, Findings};
use crate::ids::AlertId;
use crate::limits::ERROR_CHARACTERS_MAX;
use crate::text::one_line;

/// Things of one kind, counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shortages {
    /// How many.
    pub count: u64,
    /// Some of them.
    pub examples: Vec<Example>,
}

/// A scheduled task, as it is remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskObservation {
    /// Which task.
    pub name: TaskName,
    /// When it should run, or should have run.
    pub due_at: Timestamp,
    /// How it failed last, where it did not end well.
    pub error: Option<String>,
}

/// What is known at one moment. What could not be observed is none, and ends no alert.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observation {
    /// Why the database failed, where it did.
    pub storage_error: Option<String>,
    /// Free mebibytes on the database's disk.
    pub free_disk_mib: Option<u64>,
    /// Operations that wait for delivery or an account.
    pub pending: Option<u64>,
    /// Since when the oldest of them waits.
    pub oldest_pending: Option<Timestamp>,
    /// How many of them wait for too long.
    pub stale: Option<u64>,
    /// Operations whose retries are used up.
    pub failed: Option<Shortages>,
    /// Orders that the stock does not suffice for.
    pub shortages: Option<Shortages>,
    /// Differences that wait for a person.
    pub discrepancies: Option<Shortages>,
    /// Accounts that the orders service no longer knows.
    pub unusable_accounts: Option<Vec<Example>>,
    /// Whether the orders service cannot be used; none while nothing is known of it, as after a start.
    pub service_down: Option<bool>,
    /// Whether it refuses our credentials; none while that is not known.
    pub credentials_refused: Option<bool>,
    /// Since when either of them is so.
    pub service_down_since: Option<Timestamp>,
    /// Whether the single-order call works.
    pub live_orders: Option<bool>,
    /// Attempts within the window, and how many of them failed.
    pub attempts: Option<(u64, u64)>,
    /// What the orders service answered last that was not a success.
    pub last_error: Option<String>,
    /// The scheduled tasks.
    pub tasks: Option<Vec<TaskObservation>>,
    /// Operations delivered since an alert began.
    pub delivered: BTreeMap<AlertId, u64>,
}

/// Says what is wrong, by the thresholds.
#[must_use]
pub fn judge(observation: &Observation, policy: &AlertPolicy, now: Timestamp) -> Findings {
    let mut findings = Findings::default();
    findings.delivered = observation.delivered.clone();
    let mut judging = Judging {
        observation,
        policy,
        now,
        findings,
    };
    judging.storage();
    judging.disk();
    judging.service();
    judging.waiting();
    judging.attempts();
    judging.counted();
    judging.accounts();
    judging.tasks();
    judging.findings
}

struct Judging<'o> {
    observation: &'o Observation,
    policy: &'o AlertPolicy,
    now: Timestamp,
    findings: Findings,
}

impl Judging<'_> {
    fn present(&mut self, kind: AlertKind, facts: Facts) {
        self.findings
            .insert(kind, AlertSubject::Whole, Finding::Present(facts));
    }

    fn storage(&mut self) {
        if let Some(error) = &self.observation.storage_error {
            let facts = Facts {
                error: Some(short(error)),
                ..Facts::default()
            };
            self.present(AlertKind::StorageTrouble, facts);
        }
    }

    /// Something is wrong below the bound, and no longer wrong from five quarters of it on.
    fn disk(&mut self) {
        let kind = AlertKind::LowDiskSpace;
        let Some(free) = self.observation.free_disk_mib else {
            return self.findings.unknown(kind);
        };
        let limit = self.policy.free_disk_mib;
        let facts = Facts {
            count: free,
            limit: Some(limit),
            ..Facts::default()
        };
        if free < limit {
            self.present(kind, facts);
        } else if free < limit.saturating_add(limit / 4) {
            self.findings
                .insert(kind, AlertSubject::Whole, Finding::Lingering(facts));
        }
    }

    fn service(&mut self) {
        let observation = self.observation;
        let facts = Facts {
            count: observation.pending.unwrap_or(0),
            since: observation.service_down_since,
            error: observation.last_error.as_deref().map(short),
            ..Facts::default()
        };
        let states = [
            (AlertKind::OrdersServiceDown, observation.service_down),
            (AlertKind::CredentialsRefused, observation.credentials_refused),
        ];
        for (kind, state) in states {
            match state {
                Some(true) => self.present(kind, facts.clone()),
                Some(false) => {}
                None => self.findings.unknown(kind),
            }
        }
        match observation.live_orders {
            Some(true) => {}
            Some(false) => self.present(AlertKind::LiveOrdersBroken, Facts::default()),
            None => self.findings.unknown(AlertKind::LiveOrdersBroken),
        }
    }

    fn waiting(&mut self) {
        let oldest = self.observation.oldest_pending;
        let limits = [
            (
                AlertKind::HighPendingOperations,
                self.policy.high_pending_operations,
            ),
            (
                AlertKind::MaxPending,
                self.policy.max_pending_operations.saturating_add(1),
            ),
        ];
        for (kind, limit) in limits {
            let limit = limit.max(1);
            match self.observation.pending {
                Some(count) => self.above(kind, count, limit, Facts::default(), oldest),
                None => self.findings.unknown(kind),
            }
        }
        match self.observation.stale {
            Some(0) => {}
            Some(count) => {
                let facts = Facts {
                    count,
                    limit: Some(self.policy.stale_operation_hours),
                    since: oldest,
                    ..Facts::default()
                };
                self.present(AlertKind::StaleOperations, facts);
            }
            None => self.findings.unknown(AlertKind::StaleOperations),
        }
    }

    /// Something is wrong from the limit on, and no longer wrong below four fifths of it: what swings around the
    /// limit is one alert.
    fn above(&mut self, kind: AlertKind, count: u64, limit: u64, facts: Facts, since: Option<Timestamp>) {
        let told = if kind == AlertKind::MaxPending {
            limit - 1
        } else {
            limit
        };
        let facts = Facts {
            count,
            limit: Some(told),
            since,
            ..facts
        };
        if count >= limit {
            self.present(kind, facts);
        } else if count > lower(limit) {
            self.findings
                .insert(kind, AlertSubject::Whole, Finding::Lingering(facts));
        }
    }

    fn attempts(&mut self) {
        let kind = AlertKind::SyncFailureRate;
        let Some((attempts, failures)) = self.observation.attempts else {
            return self.findings.unknown(kind);
        };
        if attempts < self.policy.failure_attempts_min.max(1) || failures == 0 {
            return;
        }
        let failures = failures.min(attempts);
        // At most 1000, since there are no more failures than attempts.
        let permille = u32::try_from(u128::from(failures) * 1_000 / u128::from(attempts)).unwrap_or(1_000);
        let limit = self.policy.failure_permille;
        let facts = Facts {
            count: failures,
            limit: Some(u64::from(limit)),
            failed_permille: Some(permille),
            window_minutes: Some(self.policy.failure_window_minutes),
            error: self.observation.last_error.as_deref().map(short),
            ..Facts::default()
        };
        if permille >= limit {
            self.present(kind, facts);
        } else if u64::from(permille) > lower(u64::from(limit)) {
            self.findings
                .insert(kind, AlertSubject::Whole, Finding::Lingering(facts));
        }
    }

    fn counted(&mut self) {
        let observation = self.observation;
        let failed = if self.policy.on_failed_retries {
            observation.failed.clone()
        } else {
            Some(Shortages::default())
        };
        let kinds = [
            (AlertKind::FailedRetries, failed),
            (AlertKind::StockShortage, observation.shortages.clone()),
            (
                AlertKind::ReconciliationDiscrepancies,
                observation.discrepancies.clone(),
            ),
        ];
        for (kind, things) in kinds {
            match things {
                Some(Shortages { count: 0, .. }) => {}
                Some(Shortages { count, examples }) => {
                    let facts = Facts {
                        count,
                        since: examples.iter().filter_map(|example| example.at).min(),
                        examples: examples.into_iter().take(EXAMPLES_MAX).collect(),
                        ..Facts::default()
                    };
                    self.present(kind, facts);
                }
                None => self.findings.unknown(kind),
            }
        }
    }

    fn accounts(&mut self) {
        let Some(accounts) = &self.observation.unusable_accounts else {
            return self.findings.unknown(AlertKind::AccountUnusable);
        };
        for example in accounts {
            let Some(account) = example.account else { continue };
            let facts = Facts {
                count: 1,
                since: example.at,
                examples: vec![example.clone()],
                ..Facts::default()
            };
            self.findings.insert(
                AlertKind::AccountUnusable,
                AlertSubject::Account(account),
                Finding::Present(facts),
            );
        }
    }

    fn tasks(&mut self) {
        let Some(tasks) = &self.observation.tasks else {
            return self.findings.unknown(AlertKind::TaskMissed);
        };
        let late = SignedDuration::from_mins(self.policy.task_late_minutes);
        for task in tasks {
            if self.now.duration_since(task.due_at) <= late {
                continue;
            }
            let facts = Facts {
                count: 1,
                since: Some(task.due_at),
                error: task.error.as_deref().map(short),
                ..Facts::default()
            };
            let subject = AlertSubject::Task(task.name.clone());
            self.findings
                .insert(AlertKind::TaskMissed, subject, Finding::Present(facts));
        }
    }
}

/// Below this share of its limit a condition is over.
fn lower(limit: u64) -> u64 {
    limit / 5 * 4 + limit % 5 * 4 / 5
}

fn short(error: &str) -> String {
    one_line(error, ERROR_CHARACTERS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        Timestamp::from_second(1_800_000_000).unwrap()
    }

    /// Everything was observed, and nothing is wrong.
    fn calm() -> Observation {
        Observation {
            free_disk_mib: Some(u64::MAX),
            pending: Some(0),
            stale: Some(0),
            failed: Some(Shortages::default()),
            shortages: Some(Shortages::default()),
            discrepancies: Some(Shortages::default()),
            unusable_accounts: Some(Vec::new()),
            service_down: Some(false),
            credentials_refused: Some(false),
            live_orders: Some(true),
            attempts: Some((0, 0)),
            tasks: Some(Vec::new()),
            ..Observation::default()
        }
    }

    fn found(observation: &Observation) -> Vec<(AlertKind, bool)> {
        let findings = judge(observation, &AlertPolicy::default(), now());
        findings
            .iter()
            .map(|((kind, _), finding)| (*kind, matches!(finding, Finding::Present(_))))
            .collect()
    }

    #[test]
    fn when_all_is_well_nothing_is_found_and_nothing_is_unknown() {
        let findings = judge(&calm(), &AlertPolicy::default(), now());
        assert_eq!(findings, Findings::default());
    }

    #[test]
    fn what_could_not_be_observed_is_unknown() {
        let findings = judge(&Observation::default(), &AlertPolicy::default(), now());
        for kind in AlertKind::ALL {
            // Storage trouble is what is seen when nothing else can be.
            let known = kind == AlertKind::StorageTrouble;
            assert_eq!(findings.is_unknown(kind), !known, "{kind}");
        }
    }

    #[test]
    fn waiting_operations_are_many_from_the_threshold_and_few_again_below_four_fifths_of_it() {
        for (pending, expected) in [
            (80, vec![]),
            (81, vec![(AlertKind::HighPendingOperations, false)]),
            (99, vec![(AlertKind::HighPendingOperations, false)]),
            (100, vec![(AlertKind::HighPendingOperations, true)]),
            (
                1_000,
                vec![
                    (AlertKind::MaxPending, false),
                    (AlertKind::HighPendingOperations, true),
                ],
            ),
            (
                1_001,
                vec![
                    (AlertKind::MaxPending, true),
                    (AlertKind::HighPendingOperations, true),
                ],
            ),
        ] {
            let observation = Observation {
                pending: Some(pending),
                ..calm()
            };
            assert_eq!(found(&observation), expected, "{pending}");
        }
    }

    #[test]
    fn a_disk_is_nearly_full_below_the_bound_and_has_room_again_a_quarter_above_it() {
        for (free, expected) in [
            (0, vec![(AlertKind::LowDiskSpace, true)]),
            (1_023, vec![(AlertKind::LowDiskSpace, true)]),
            (1_024, vec![(AlertKind::LowDiskSpace, false)]),
            (1_279, vec![(AlertKind::LowDiskSpace, false)]),
            (1_280, vec![]),
        ] {
            let observation = Observation {
                free_disk_mib: Some(free),
                ..calm()
            };
            assert_eq!(found(&observation), expected, "{free}");
        }
    }

    #[test]
    fn a_tenth_of_the_attempts_failed_is_too_many_when_there_were_enough() {
        for (attempts, failures, expected) in [
            (9, 9, None),
            (10, 0, None),
            (10, 1, Some(true)),
            (100, 9, Some(false)),
            (100, 8, None),
            (1_000, 999, Some(true)),
        ] {
            let observation = Observation {
                attempts: Some((attempts, failures)),
                ..calm()
            };
            let expected: Vec<_> = expected
                .map(|present| (AlertKind::SyncFailureRate, present))
                .into_iter()
                .collect();
            assert_eq!(found(&observation), expected, "{failures} of {attempts}");
        }
    }

    #[test]
    fn examples_and_errors_are_bounded() {
        let observation = Observation {
            failed: Some(Shortages {
                count: 700,
                examples: vec![Example::default(); 700],
            }),
            storage_error: Some("x\n".repeat(10_000)),
            ..calm()
        };
        let findings = judge(&observation, &AlertPolicy::default(), now());
        for (_, finding) in findings.iter() {
            let facts = finding.facts();
            assert!(facts.examples.len() <= EXAMPLES_MAX);
            let error = facts.error.as_deref().unwrap_or_default();
            assert!(error.len() <= ERROR_CHARACTERS_MAX && !error.contains('\n'));
        }
    }

    #[test]
    fn failed_retries_can_be_kept_from_alerting() {
        let observation = Observation {
            failed: Some(Shortages {
                count: 7,
                examples: Vec::new(),
            }),
            ..calm()
        };
        let policy = AlertPolicy {
            on_failed_retries: false,
            ..AlertPolicy::default()
        };
        assert_eq!(judge(&observation, &policy, now()), Findings::default());
        assert_eq!(found(&observation), [(AlertKind::FailedRetries, true)]);
    }

    #[test]
    fn a_task_is_missed_when_it_is_late_by_more_than_a_quarter_of_an_hour() {
        for (late_minutes, expected) in [(-10, 0), (0, 0), (15, 0), (16, 1)] {
            let task = TaskObservation {
                name: TaskName::parse("report").unwrap(),
                due_at: now() - SignedDuration::from_mins(late_minutes),
                error: None,
            };
            let observation = Observation {
                tasks: Some(vec![task]),
                ..calm()
            };
            assert_eq!(found(&observation).len(), expected, "{late_minutes}");
        }
    }
}
