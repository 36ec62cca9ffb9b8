//! Whether this instance itself reaches the service, where other instances do.
//!
//! An opened circuit stops all instances, so one whose own way to the service is cut would stop them again and again.
//! Therefore an instance for which another one closed a circuit tries by itself before it goes on: it asks the service,
//! and then makes one delivery at a time until one succeeds. Where that fails it stands aside: it makes no calls but
//! its trials, and nothing that fails for it is told to the others.

use jiff::{SignedDuration, Timestamp};
use saldo_domain::circuit::{Circuit, CircuitPolicy, KnownOutage, Permit, ProbedBy};
use saldo_domain::ids::AccountId;
use saldo_store::circuits::CircuitSubject;

use super::{CallEnd, ClaimBounds, Gate, Permits, Turn, at_once, is_shut};

/// How much later than the others an instance probes, in seconds, for each of its own calls that told it of the outage:
/// that may be its own trouble, so others find out first.
const PROBE_BEHIND_SECONDS: u32 = 2;
/// So many of them count.
const FAILED_PROBES_MAX: u32 = 5;
/// How long the failures of an instance that stood aside are taken for its own trouble.
const DOUBTED: SignedDuration = SignedDuration::from_mins(10);
/// Failed readings in a row after which an instance tries whether it is answered at all.
const READINGS_FAILED_MAX: u32 = 5;

/// What an instance knows of its own way to the service.
pub(super) struct OwnWay {
    /// Open from the moment when another instance found the service up, until a delivery of this one's own succeeds.
    circuit: Circuit,
    /// Whether the service answered since, and only a delivery is still to be made.
    is_answered: bool,
    /// Since when it stands aside, because trials fail.
    aside_since: Option<Timestamp>,
    /// When the last delivery failed that was tried with, until one succeeds: then an answer to something else does not
    /// end its standing aside.
    delivery_failed_at: Option<Timestamp>,
    /// Until when its failures are taken for its own trouble.
    doubted_until: Option<Timestamp>,
    /// Probes of its own that failed since the circuit opened, its opening included.
    failed_probes: u32,
    /// Whether what is open was opened by this instance's own failures.
    opened_here: bool,
    readings_failed: u32,
    /// Whether another instance runs that makes deliveries and does not stand aside.
    has_peers: bool,
}

impl OwnWay {
    pub(super) fn new(policy: CircuitPolicy) -> Self {
        Self {
            circuit: Circuit::new(at_once(policy)),
            is_answered: false,
            aside_since: None,
            delivery_failed_at: None,
            doubted_until: None,
            failed_probes: 0,
            opened_here: false,
            readings_failed: 0,
            has_peers: false,
        }
    }

    /// Whether a delivery of its own is still to succeed.
    pub(super) fn is_on_trial(&self) -> bool {
        is_shut(&self.circuit)
    }

    /// Whether it is not known to be answered.
    pub(super) fn is_shut(&self) -> bool {
        self.is_on_trial() && !self.is_answered
    }

    fn may_call(&mut self, now: Timestamp) -> Permit {
        self.circuit.may_call(now)
    }

    /// Opens it; the wait after the first trial that fails is the policy's.
    fn begin_trials(&mut self, now: Timestamp, policy: CircuitPolicy) {
        self.is_answered = false;
        if self.is_on_trial() {
            return;
        }
        let begun = KnownOutage {
            opened_at: now,
            wait_seconds: policy.probe_initial_seconds.div_ceil(2),
            probe_due_at: now,
        };
        self.circuit.take_over(begun, ProbedBy::Nobody);
    }

    fn stand_aside(&mut self, now: Timestamp) {
        if self.aside_since.is_none() {
            tracing::warn!(
                "the orders service answers other instances and not this one: it stands aside and only tries, \
                 until it is answered; look after this machine's network, its proxy and its token"
            );
            self.aside_since = Some(now);
        }
    }

    fn failed(&mut self, is_delivery: bool, permit: Permit, now: Timestamp) {
        if matches!(permit, Permit::Probe(_)) {
            self.circuit.failed_transiently(permit, now);
            self.is_answered = false;
            if is_delivery {
                self.delivery_failed_at = Some(now);
            }
            self.stand_aside(now);
        }
    }

    fn answered(&mut self, permit: Permit, now: Timestamp) {
        self.circuit.release_probe(permit);
        self.is_answered = true;
        self.readings_failed = 0;
        if self.delivery_failed_at.is_none() {
            self.come_back(now);
        }
    }

    /// It stands aside no more, where it did.
    fn come_back(&mut self, now: Timestamp) {
        self.delivery_failed_at = None;
        if self.aside_since.take().is_some() {
            self.doubted_until = Some(later(now, DOUBTED));
            tracing::info!("the orders service answers this instance again: it stands aside no more");
        }
    }

    /// Whether what fails now is taken for its own trouble. A clock set back does not make that longer.
    fn is_doubted(&self, now: Timestamp) -> bool {
        self.has_peers
            && self
                .doubted_until
                .is_some_and(|until| now < until && until <= later(now, DOUBTED))
    }
}

fn later(now: Timestamp, wait: SignedDuration) -> Timestamp {
    now.checked_add(wait).unwrap_or(Timestamp::MAX)
}

impl Gate {
    /// Since when this instance stands aside.
    pub(crate) fn aside_since(&self) -> Option<Timestamp> {
        self.own_way.aside_since
    }

    /// Whether it has to find out first whether the service answers it.
    pub(crate) fn is_on_trial(&self) -> bool {
        self.own_way.is_on_trial()
    }

    /// Whether a delivery that fails here now counts against its retries: not where others would have made it.
    pub(crate) fn counts_failures(&self, permits: Permits, now: Timestamp) -> bool {
        !permits.is_probe() && !self.own_way.is_on_trial() && !self.own_way.is_doubted(now)
    }

    /// Another instance that reaches the service runs, or none does any more. Then what this one finds out is all that
    /// anybody knows: the service is down. Says whether trials ended by that, so that what they held up goes on.
    pub(crate) fn set_peers(&mut self, has_peers: bool) -> bool {
        self.own_way.has_peers = has_peers;
        if has_peers || !self.own_way.is_on_trial() {
            return false;
        }
        let known = self.own_way.circuit.known_outage();
        if let Some(known) = known.filter(|_| self.own_way.aside_since.is_some() && !self.is_shut_for_all()) {
            tracing::warn!("no other instance reaches the orders service either: its circuit opens for all");
            self.service.take_over(known, ProbedBy::Nobody);
        }
        self.own_way = OwnWay::new(self.circuit_policy);
        true
    }

    /// Another instance has closed what was open here.
    pub(super) fn closed_by_another(&mut self, now: Timestamp) {
        self.outage_ended();
        if !self.may_begin_trials() {
            return;
        }
        if self.own_way.opened_here {
            self.own_way.doubted_until = Some(later(now, DOUBTED));
        }
        self.own_way.opened_here = false;
        self.own_way.begin_trials(now, self.circuit_policy);
    }

    /// Whether it may come to try by itself: beside another one, and not where circuits are switched off and each
    /// operation has its own retries only.
    const fn may_begin_trials(&self) -> bool {
        self.own_way.has_peers && self.circuit_policy.enabled
    }

    /// A call that is no delivery was answered, or was not. Where many were not, it is time for a trial: an instance
    /// that makes no deliveries finds out in no other way that only it is cut off.
    pub(crate) fn learn_reading(&mut self, is_answered: bool, now: Timestamp) {
        let own = &mut self.own_way;
        own.readings_failed = if is_answered {
            0
        } else {
            own.readings_failed.saturating_add(1)
        };
        if own.readings_failed >= READINGS_FAILED_MAX && self.may_begin_trials() && !self.is_shut_for_all() {
            self.own_way.readings_failed = 0;
            self.own_way.begin_trials(now, self.circuit_policy);
        }
    }

    /// What fails while the service is known to answer others is this instance's own trouble: nobody else hears of it.
    /// Says whether that is so.
    pub(super) fn learn_alone(
        &mut self,
        account: Option<AccountId>,
        end: CallEnd,
        permits: Permits,
        now: Timestamp,
    ) -> bool {
        if !self.own_way.is_on_trial() {
            return false;
        }
        match end {
            CallEnd::FailedTransiently | CallEnd::CredentialsRefused => {
                // Of trials, only a delivery is of an account.
                self.own_way.failed(account.is_some(), permits.own, now);
                // What it probed before the trials began, others find out.
                self.release_probes(account, permits);
                true
            }
            CallEnd::Succeeded | CallEnd::Answered | CallEnd::AccountUnusable => {
                if permits.is_trial() {
                    self.own_way.circuit.succeeded(now);
                    self.own_way.come_back(now);
                }
                false
            }
            CallEnd::NotMade => {
                self.own_way.circuit.release_probe(permits.own);
                false
            }
        }
    }

    /// A call failed, and what it opened is open: of one that stood aside lately it is not believed.
    pub(super) fn doubt_own_failure(&mut self, was_shut: bool, permits: Permits, now: Timestamp) {
        if !self.is_shut_for_all() {
            return;
        }
        self.own_way.opened_here |= !was_shut;
        if !was_shut && self.own_way.is_doubted(now) {
            let mirrored = &self.mirrored;
            self.accounts.retain(|account, circuit| {
                !is_shut(circuit) || mirrored.contains_key(&CircuitSubject::Account(*account))
            });
            self.service = Circuit::new(self.circuit_policy);
            self.credentials = Circuit::new(at_once(self.circuit_policy));
            let begun = KnownOutage {
                opened_at: now,
                wait_seconds: self.circuit_policy.probe_initial_seconds,
                probe_due_at: later(
                    now,
                    SignedDuration::from_secs(i64::from(self.circuit_policy.probe_initial_seconds)),
                ),
            };
            self.own_way.opened_here = false;
            self.own_way.is_answered = false;
            self.own_way.circuit.take_over(begun, ProbedBy::Nobody);
            self.own_way.stand_aside(now);
            return;
        }
        if !was_shut {
            self.own_way.failed_probes = 1;
        } else if permits.is_probe() {
            self.own_way.failed_probes = (self.own_way.failed_probes + 1).min(FAILED_PROBES_MAX);
        }
    }

    /// The circuits of the service are closed: the next outage is another one.
    pub(super) const fn outage_ended(&mut self) {
        self.own_way.failed_probes = 0;
    }

    /// Until when others are let probe first. A clock set back does not make that longer.
    pub(super) fn behind_until(&self, now: Timestamp) -> Option<Timestamp> {
        if !self.own_way.has_peers {
            return None;
        }
        let outages = [&self.service, &self.credentials].map(Circuit::known_outage);
        let due = outages
            .into_iter()
            .flatten()
            .map(|known| known.probe_due_at)
            .max()?;
        let behind = SignedDuration::from_secs(i64::from(PROBE_BEHIND_SECONDS * self.own_way.failed_probes));
        let until = later(due, behind);
        (now < until && until <= later(now, behind)).then_some(until)
    }

    /// The service was asked, and answered this instance.
    pub(crate) fn answered(&mut self, permits: Permits, now: Timestamp) {
        self.own_way.answered(permits.own, now);
    }

    /// Whether a failed delivery keeps it aside that is long past, and it is answered since.
    pub(crate) fn may_come_back_untried(&self, now: Timestamp) -> bool {
        let own = &self.own_way;
        own.is_answered
            && own
                .delivery_failed_at
                .is_some_and(|failed| now < failed || later(failed, DOUBTED) <= now)
    }

    /// There was nothing to try with.
    pub(crate) fn come_back_untried(&mut self, now: Timestamp) {
        if self.may_come_back_untried(now) {
            self.own_way.come_back(now);
        }
    }

    /// What an instance does next that has to find out whether it reaches the service.
    pub(super) fn turn_on_trial(&mut self, now: Timestamp) -> Turn {
        match self.own_way.may_call(now) {
            own @ Permit::Probe(_) if self.own_way.is_answered => Turn::Claim(self.trial_bounds(own)),
            own @ Permit::Probe(_) => Turn::Try(Permits {
                own,
                ..Permits::free()
            }),
            Permit::No { until } => Turn::Wait { until: Some(until) },
            Permit::Yes => Turn::Wait { until: Some(now) },
        }
    }

    /// Where deliveries stand still for all, who is answered is as good as any other to find out when they can be made.
    pub(super) fn end_trial_in_outage(&mut self, now: Timestamp) {
        if self.own_way.is_on_trial() && self.own_way.is_answered && self.is_shut_for_all() {
            self.own_way.circuit = Circuit::new(at_once(self.circuit_policy));
            self.own_way.come_back(now);
        }
    }

    /// One delivery to try with, besides those of accounts that are stopped for all.
    fn trial_bounds(&self, own: Permit) -> ClaimBounds {
        let permits = Permits {
            own,
            ..Permits::free()
        };
        let mut bounds = self.probe_bounds(permits, None);
        bounds.excluded.extend(self.shut_accounts());
        bounds.excluded.sort_unstable();
        bounds.excluded.dedup();
        bounds
    }
}

#[cfg(test)]
mod tests {
    use saldo_domain::circuit::CircuitState;

    use super::*;
    use crate::settings::Settings;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).unwrap()
    }

    fn beside_another() -> Gate {
        let mut gate = Gate::new(&Settings::default(), "one");
        gate.set_peers(true);
        gate
    }

    fn begin_trials(gate: &mut Gate, now: Timestamp) {
        for _ in 0..READINGS_FAILED_MAX {
            gate.learn_reading(false, now);
        }
        assert!(gate.is_on_trial());
    }

    #[test]
    fn a_probe_of_an_account_that_fails_on_trial_is_given_back_to_the_others() {
        let account = AccountId::new(uuid::Uuid::from_u128(1));
        let mut gate = beside_another();
        gate.remember_unusable(account, at(0));
        let Turn::Claim(bounds) = gate.turn(at(10)) else {
            panic!("its probe is due")
        };
        assert_eq!(bounds.only, Some(account));
        assert_eq!(gate.accounts[&account].state(), CircuitState::HalfOpen);
        begin_trials(&mut gate, at(11));
        gate.learn(Some(account), CallEnd::FailedTransiently, bounds.permits, at(12));
        assert_eq!(gate.accounts[&account].state(), CircuitState::Open);
    }

    #[test]
    fn trials_that_end_because_no_other_instance_is_left_are_told() {
        let mut gate = beside_another();
        assert!(!gate.set_peers(false));
        gate.set_peers(true);
        begin_trials(&mut gate, at(0));
        assert!(!gate.set_peers(true));
        assert!(gate.set_peers(false));
        assert!(!gate.is_on_trial());
    }
}
