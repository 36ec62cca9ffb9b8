//! The circuit breaker: when a service is down, one careful call at a time instead of all of them.

use jiff::{SignedDuration, Timestamp};

/// When a circuit opens, and how it is probed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CircuitPolicy {
    /// Whether there is a circuit at all. Without it every call is allowed.
    pub enabled: bool,
    /// Transient failures in a row that open it.
    pub failures: u32,
    /// The wait before the first probe, in seconds.
    pub probe_initial_seconds: u32,
    /// The longest wait between probes, in seconds: the wait doubles with every probe that fails.
    pub probe_max_seconds: u32,
    /// After how long a probe that never reported back is forgotten, in seconds. Longer than the longest call.
    pub probe_deadline_seconds: u32,
    /// How long what waits for the circuit waits, in hours, before it is given up. The circuit itself goes on
    /// probing.
    pub give_up_hours: u32,
}

impl Default for CircuitPolicy {
    fn default() -> Self {
        Self {
            enabled: true,
            failures: 5,
            probe_initial_seconds: 10,
            probe_max_seconds: 60,
            probe_deadline_seconds: 60,
            give_up_hours: 24,
        }
    }
}

/// What a circuit says to a call that wants to begin. Whoever was allowed reports how it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permit {
    /// Go on.
    Yes,
    /// Go on: this is the one call that finds out whether the service is back.
    Probe(Probe),
    /// Not now.
    No {
        /// When to ask again. The circuit may close earlier.
        until: Timestamp,
    },
}

/// Names one probe, so that the end of another call is not taken for its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe(u64);

/// A change that someone may want to hear about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transition {
    /// The service is taken to be down.
    Opened,
    /// The service answers again.
    Closed {
        /// How long it was open, by the wall clock; zero if that was set back meanwhile.
        lasted: SignedDuration,
    },
}

/// Where a circuit stands, for people and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CircuitState {
    /// All calls are allowed.
    Closed,
    /// No call is allowed until the next probe is due.
    Open,
    /// A probe is under way.
    HalfOpen,
    /// The circuit breaker is switched off.
    Off,
}

impl CircuitState {
    /// The stable word for it, as `GET /status` shows it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
            Self::Off => "off",
        }
    }
}

/// One circuit: of the whole service, or of one account.
///
/// Moments are wall-clock time and may jump. A wait is counted anew when it turns out to be longer than it ever
/// was, so a clock set back never locks the circuit for longer than one wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Circuit {
    policy: CircuitPolicy,
    /// Transient failures since the last answer. Meaningful while closed.
    failures_in_a_row: u32,
    /// Probes given so far: the name of the next one.
    probes: u64,
    /// Present while open.
    outage: Option<Outage>,
}

/// What instances tell each other of an outage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownOutage {
    /// When the circuit opened.
    pub opened_at: Timestamp,
    /// The wait before the next probe, as it stands after the doublings, in seconds.
    pub wait_seconds: u32,
    /// When it may be probed next.
    pub probe_due_at: Timestamp,
}

/// Who finds out whether an outage is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProbedBy {
    /// Nobody does.
    Nobody,
    /// Whoever asks.
    Ourselves,
    /// Another instance, whose probe is forgotten at that moment.
    Another {
        /// The moment.
        until: Timestamp,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Outage {
    opened_at: Timestamp,
    /// The wait before the next probe, as it stands after the doublings.
    wait: SignedDuration,
    probe_due_at: Timestamp,
    /// The probe under way, and when it is forgotten. Without a name it is another instance's.
    under_way: Option<(Option<Probe>, Timestamp)>,
}

fn later(now: Timestamp, wait: SignedDuration) -> Timestamp {
    now.checked_add(wait).unwrap_or(Timestamp::MAX)
}

fn seconds(seconds: u32) -> SignedDuration {
    SignedDuration::from_secs(i64::from(seconds))
}

impl CircuitPolicy {
    /// Checks a configured policy.
    ///
    /// # Errors
    /// Every problem at once.
    pub fn validate(&self) -> Result<(), Vec<String>> {
        let mut problems = Vec::new();
        if self.failures == 0 {
            problems.push("circuit.failures must be at least 1".to_owned());
        }
        if self.probe_initial_seconds == 0 || self.probe_initial_seconds > self.probe_max_seconds {
            problems.push(format!(
                "the first wait for a probe must be from 1 to {} seconds, not {}",
                self.probe_max_seconds, self.probe_initial_seconds
            ));
        }
        if self.probe_deadline_seconds == 0 {
            problems.push("the deadline of a probe must be at least 1 second".to_owned());
        }
        if problems.is_empty() {
            Ok(())
        } else {
            Err(problems)
        }
    }
}

impl Circuit {
    /// A closed circuit.
    #[must_use]
    pub const fn new(policy: CircuitPolicy) -> Self {
        Self {
            policy,
            failures_in_a_row: 0,
            probes: 0,
            outage: None,
        }
    }

    /// Asks whether a call may begin. A [`Permit::Probe`] is given to one caller at a time: its end is told to
    /// [`succeeded`](Self::succeeded), [`answered`](Self::answered),
    /// [`failed_transiently`](Self::failed_transiently) or [`release_probe`](Self::release_probe), or it is
    /// forgotten when its deadline has passed.
    pub fn may_call(&mut self, now: Timestamp) -> Permit {
        let deadline = seconds(self.policy.probe_deadline_seconds);
        let Some(outage) = &mut self.outage else {
            return Permit::Yes;
        };
        // Both moments lay at most that far ahead when they were set: if not, the clock went back.
        outage.probe_due_at = outage.probe_due_at.min(later(now, outage.wait));
        if let Some((_, forgotten_at)) = &mut outage.under_way {
            *forgotten_at = (*forgotten_at).min(later(now, deadline));
            if now < *forgotten_at {
                return Permit::No {
                    until: (*forgotten_at).min(later(now, outage.wait)),
                };
            }
        }
        if now < outage.probe_due_at {
            return Permit::No {
                until: outage.probe_due_at,
            };
        }
        let probe = Probe(self.probes);
        self.probes = self.probes.wrapping_add(1);
        outage.under_way = Some((Some(probe), later(now, deadline)));
        Permit::Probe(probe)
    }

    /// A call succeeded, whichever it was: the service is up.
    pub fn succeeded(&mut self, now: Timestamp) -> Option<Transition> {
        self.failures_in_a_row = 0;
        let outage = self.outage.take()?;
        Some(Transition::Closed {
            lasted: now.duration_since(outage.opened_at).max(SignedDuration::ZERO),
        })
    }

    /// A call was refused in a way that proves the service up, such as a permanent error. For the circuit
    /// that is as good as a success.
    pub fn answered(&mut self, now: Timestamp) -> Option<Transition> {
        self.succeeded(now)
    }

    /// A call failed transiently; `permit` is what it was allowed by. While the circuit is open only the end
    /// of the probe under way counts: calls begun before the opening, and probes already forgotten, say nothing
    /// new.
    pub fn failed_transiently(&mut self, permit: Permit, now: Timestamp) -> Option<Transition> {
        if !self.policy.enabled {
            return None;
        }
        if let Some(outage) = &mut self.outage {
            if outage.is_under_way(permit) {
                outage.under_way = None;
                outage.wait = (outage.wait + outage.wait).min(seconds(self.policy.probe_max_seconds));
                outage.probe_due_at = later(now, outage.wait);
            }
            return None;
        }
        self.failures_in_a_row = self.failures_in_a_row.saturating_add(1);
        if self.failures_in_a_row < self.policy.failures {
            return None;
        }
        let wait = seconds(
            self.policy
                .probe_initial_seconds
                .min(self.policy.probe_max_seconds),
        );
        self.outage = Some(Outage {
            opened_at: now,
            wait,
            probe_due_at: later(now, wait),
            under_way: None,
        });
        Some(Transition::Opened)
    }

    /// The call that `permit` allowed was not made. If it was the probe, the next caller gets it at once.
    pub fn release_probe(&mut self, permit: Permit) {
        if let Some(outage) = &mut self.outage
            && outage.is_under_way(permit)
        {
            outage.under_way = None;
        }
    }

    /// Where the circuit stands.
    #[must_use]
    pub const fn state(&self) -> CircuitState {
        match &self.outage {
            _ if !self.policy.enabled => CircuitState::Off,
            None => CircuitState::Closed,
            Some(Outage { under_way: None, .. }) => CircuitState::Open,
            Some(_) => CircuitState::HalfOpen,
        }
    }

    /// What others may know of it while it is open, as precise as moments are stored.
    #[must_use]
    pub fn known_outage(&self) -> Option<KnownOutage> {
        let microsecond =
            |moment: Timestamp| Timestamp::from_microsecond(moment.as_microsecond()).unwrap_or(moment);
        self.outage.as_ref().map(|outage| KnownOutage {
            opened_at: microsecond(outage.opened_at),
            wait_seconds: u32::try_from(outage.wait.as_secs()).unwrap_or(u32::MAX),
            probe_due_at: microsecond(outage.probe_due_at),
        })
    }

    /// When the probe is forgotten that was given out here and is still under way.
    #[must_use]
    pub fn probing_until(&self) -> Option<Timestamp> {
        let outage = self.outage.as_ref()?;
        outage.under_way.and_then(|(probe, until)| probe.map(|_| until))
    }

    /// Takes over what another instance found out. A probe given out here stays under way unless another instance
    /// probes: then its end counts for nothing.
    pub fn take_over(&mut self, known: KnownOutage, probed_by: ProbedBy) {
        if !self.policy.enabled {
            return;
        }
        let own = self
            .outage
            .as_ref()
            .and_then(|outage| outage.under_way)
            .filter(|(probe, _)| probe.is_some());
        self.outage = Some(Outage {
            opened_at: known.opened_at,
            wait: seconds(known.wait_seconds),
            probe_due_at: known.probe_due_at,
            under_way: match probed_by {
                ProbedBy::Another { until } => Some((None, until)),
                ProbedBy::Nobody | ProbedBy::Ourselves => own,
            },
        });
    }

    /// Since when it is open, half open included.
    #[must_use]
    pub fn opened_at(&self) -> Option<Timestamp> {
        self.outage.as_ref().map(|outage| outage.opened_at)
    }
}

impl Outage {
    /// Whether a permit is that of the probe under way.
    fn is_under_way(&self, permit: Permit) -> bool {
        matches!((permit, self.under_way), (Permit::Probe(told), Some((probe, _))) if Some(told) == probe)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).unwrap()
    }

    /// A circuit that opened at second 0.
    fn open() -> Circuit {
        let mut circuit = Circuit::new(CircuitPolicy::default());
        for _ in 0..4 {
            assert_eq!(circuit.failed_transiently(Permit::Yes, at(0)), None);
        }
        assert_eq!(
            circuit.failed_transiently(Permit::Yes, at(0)),
            Some(Transition::Opened)
        );
        circuit
    }

    fn probe(circuit: &mut Circuit, second: i64) -> Permit {
        let permit = circuit.may_call(at(second));
        assert!(matches!(permit, Permit::Probe(_)), "{permit:?} at {second}");
        permit
    }

    #[test]
    fn it_opens_after_five_transient_failures_in_a_row() {
        let mut circuit = open();
        assert_eq!(circuit.state(), CircuitState::Open);
        assert_eq!(circuit.opened_at(), Some(at(0)));
        assert_eq!(circuit.may_call(at(1)), Permit::No { until: at(10) });
    }

    #[test]
    fn an_answer_between_failures_begins_the_row_anew() {
        let ends: [fn(&mut Circuit, Timestamp) -> Option<Transition>; 2] =
            [Circuit::succeeded, Circuit::answered];
        for up in ends {
            let mut circuit = Circuit::new(CircuitPolicy::default());
            for _ in 0..4 {
                circuit.failed_transiently(Permit::Yes, at(0));
            }
            assert_eq!(up(&mut circuit, at(0)), None);
            for _ in 0..4 {
                assert_eq!(circuit.failed_transiently(Permit::Yes, at(0)), None);
            }
            assert_eq!(circuit.state(), CircuitState::Closed);
        }
    }

    #[test]
    fn while_open_one_probe_at_a_time_is_allowed() {
        let mut circuit = open();
        probe(&mut circuit, 10);
        assert_eq!(circuit.state(), CircuitState::HalfOpen);
        assert_eq!(circuit.may_call(at(11)), Permit::No { until: at(21) });
        assert_eq!(circuit.may_call(at(65)), Permit::No { until: at(70) });
    }

    #[test]
    fn the_wait_between_probes_doubles_from_ten_seconds_to_sixty() {
        let mut circuit = open();
        let mut second = 10;
        for wait in [20, 40, 60, 60] {
            let permit = probe(&mut circuit, second);
            assert_eq!(circuit.failed_transiently(permit, at(second)), None);
            assert_eq!(
                circuit.may_call(at(second)),
                Permit::No {
                    until: at(second + wait)
                }
            );
            second += wait;
        }
        assert_eq!(circuit.opened_at(), Some(at(0)));
    }

    #[test]
    fn a_probe_that_is_answered_closes_it() {
        let mut circuit = open();
        probe(&mut circuit, 10);
        let closed = Transition::Closed {
            lasted: SignedDuration::from_secs(12),
        };
        assert_eq!(circuit.answered(at(12)), Some(closed));
        assert_eq!(circuit.may_call(at(12)), Permit::Yes);
        assert_eq!(
            (circuit.state(), circuit.opened_at()),
            (CircuitState::Closed, None)
        );
    }

    #[test]
    fn after_closing_it_takes_the_full_row_to_open_again_and_the_wait_begins_anew() {
        let mut circuit = open();
        let permit = probe(&mut circuit, 10);
        circuit.failed_transiently(permit, at(10));
        probe(&mut circuit, 30);
        circuit.succeeded(at(30));
        for _ in 0..4 {
            assert_eq!(circuit.failed_transiently(Permit::Yes, at(40)), None);
        }
        assert_eq!(
            circuit.failed_transiently(Permit::Yes, at(40)),
            Some(Transition::Opened)
        );
        assert_eq!(circuit.may_call(at(40)), Permit::No { until: at(50) });
    }

    #[test]
    fn a_failure_of_a_call_begun_before_the_opening_changes_nothing() {
        let mut circuit = open();
        circuit.failed_transiently(Permit::Yes, at(1));
        assert_eq!(circuit.may_call(at(1)), Permit::No { until: at(10) });
        let permit = probe(&mut circuit, 10);
        circuit.failed_transiently(Permit::Yes, at(11));
        assert_eq!(circuit.state(), CircuitState::HalfOpen);
        circuit.failed_transiently(permit, at(12));
        assert_eq!(circuit.may_call(at(12)), Permit::No { until: at(32) });
    }

    #[test]
    fn a_probe_that_never_reports_back_is_forgotten_and_its_late_failure_counts_for_nothing() {
        let mut circuit = open();
        let lost = probe(&mut circuit, 10);
        assert!(matches!(circuit.may_call(at(69)), Permit::No { .. }));
        let second = probe(&mut circuit, 70);
        assert_ne!(lost, second);
        circuit.failed_transiently(lost, at(71));
        assert_eq!(circuit.state(), CircuitState::HalfOpen);
        circuit.failed_transiently(second, at(72));
        assert_eq!(circuit.may_call(at(72)), Permit::No { until: at(92) });
    }

    #[test]
    fn what_another_instance_found_out_is_taken_over() {
        let (here, mut there) = (open(), Circuit::new(CircuitPolicy::default()));
        let known = here.known_outage().unwrap();
        there.take_over(known, ProbedBy::Nobody);
        assert_eq!(there.may_call(at(1)), Permit::No { until: at(10) });
        assert_eq!(there.known_outage(), Some(known));
        there.take_over(known, ProbedBy::Another { until: at(70) });
        assert_eq!(there.state(), CircuitState::HalfOpen);
        assert_eq!(there.probing_until(), None);
        assert!(
            matches!(there.may_call(at(11)), Permit::No { .. }),
            "it is probed elsewhere"
        );
        there.take_over(known, ProbedBy::Nobody);
        let permit = probe(&mut there, 11);
        assert_eq!(there.probing_until(), Some(at(71)));
        there.take_over(known, ProbedBy::Nobody);
        assert_eq!(there.probing_until(), Some(at(71)), "the others hear of it later");
        there.take_over(known, ProbedBy::Another { until: at(75) });
        there.failed_transiently(permit, at(12));
        assert_eq!(
            there.known_outage(),
            Some(known),
            "another one was faster: the end of this one counts for nothing"
        );
        let mut off = Circuit::new(CircuitPolicy {
            enabled: false,
            ..CircuitPolicy::default()
        });
        off.take_over(known, ProbedBy::Nobody);
        assert_eq!(off.may_call(at(1)), Permit::Yes);
    }

    #[test]
    fn a_probe_that_was_not_made_goes_to_the_next_caller() {
        let mut circuit = open();
        let permit = probe(&mut circuit, 10);
        circuit.release_probe(Permit::Yes);
        assert_eq!(circuit.state(), CircuitState::HalfOpen);
        circuit.release_probe(permit);
        assert_eq!(circuit.state(), CircuitState::Open);
        let next = probe(&mut circuit, 11);
        circuit.release_probe(permit);
        assert_eq!(circuit.state(), CircuitState::HalfOpen);
        circuit.failed_transiently(next, at(11));
        assert_eq!(circuit.may_call(at(11)), Permit::No { until: at(31) });
    }

    #[test]
    fn switched_off_it_always_says_yes() {
        let mut circuit = Circuit::new(CircuitPolicy {
            enabled: false,
            ..CircuitPolicy::default()
        });
        for _ in 0..100 {
            assert_eq!(circuit.failed_transiently(Permit::Yes, at(0)), None);
            assert_eq!(circuit.may_call(at(0)), Permit::Yes);
        }
        assert_eq!(circuit.state(), CircuitState::Off);
        assert_eq!(circuit.state().as_str(), "off");
    }

    #[test]
    fn a_clock_set_back_delays_the_next_probe_by_one_wait_at_most() {
        let mut circuit = open();
        let year = 365 * 24 * 3600;
        assert_eq!(
            circuit.may_call(at(-year)),
            Permit::No {
                until: at(-year + 10)
            }
        );
        probe(&mut circuit, -year + 10);
        // The same with a probe under way that is lost.
        assert!(
            matches!(circuit.may_call(at(-2 * year)), Permit::No { until } if until <= at(-2 * year + 60))
        );
        probe(&mut circuit, -2 * year + 60);
        let closed = Transition::Closed {
            lasted: SignedDuration::ZERO,
        };
        assert_eq!(circuit.succeeded(at(-2 * year)), Some(closed));
    }

    #[test]
    fn a_clock_set_far_forward_makes_a_probe_due() {
        let mut circuit = open();
        assert!(matches!(circuit.may_call(Timestamp::MAX), Permit::Probe(_)));
        assert!(matches!(circuit.may_call(at(0)), Permit::No { until } if until <= at(60)));
        probe(&mut circuit, 60);
    }

    #[test]
    fn a_policy_that_makes_no_sense_is_refused_with_every_problem() {
        assert_eq!(CircuitPolicy::default().validate(), Ok(()));
        let bad = CircuitPolicy {
            failures: 0,
            probe_initial_seconds: 61,
            probe_deadline_seconds: 0,
            ..CircuitPolicy::default()
        };
        assert_eq!(bad.validate().unwrap_err().len(), 3);
    }

    proptest! {
        #[test]
        fn whatever_happens_and_however_time_jumps_a_probe_comes_within_a_minute_of_asking(
            steps in prop::collection::vec((0_u8..5, -100_000_i64..100_000), 0..60),
            end in -100_000_i64..100_000,
        ) {
            let mut circuit = Circuit::new(CircuitPolicy::default());
            let mut permit = Permit::Yes;
            for (step, second) in steps {
                match step {
                    0 => permit = circuit.may_call(at(second)),
                    1 => circuit.release_probe(permit),
                    2 => { circuit.failed_transiently(permit, at(second)); }
                    3 => { circuit.failed_transiently(Permit::Yes, at(second)); }
                    _ => { circuit.succeeded(at(second)); }
                }
            }
            // Asked again whenever it says, a permit comes: a probe under way is forgotten after a minute.
            let mut now = at(end);
            while let Permit::No { until } = circuit.may_call(now) {
                prop_assert!(now < until && until <= at(end + 60));
                now = until;
            }
        }
    }
}
