//! Who may call now: circuits, rates, bounded flight, and fair turns between accounts.

mod own_way;
mod sharing;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use saldo_domain::circuit::{Circuit, CircuitPolicy, CircuitState, Permit, Transition};
use saldo_domain::ids::AccountId;
use saldo_domain::pacing::Flight;
use saldo_store::circuits::CircuitSubject;
use tokio::time::Instant;

use crate::pace::{AccountPaces, Pace, Share};
use crate::reading_slots::{ReadingSlots, SLOT_WAIT_MILLISECONDS};
use crate::settings::Settings;
use own_way::OwnWay;
use sharing::Mirrored;

pub(crate) use sharing::Change;

/// What the dispatcher does next.
#[derive(Debug)]
pub(crate) enum Turn {
    /// Claim what is due within these bounds.
    Claim(ClaimBounds),
    /// Find out whether the service answers this instance.
    Try(Permits),
    /// Nothing may be called before this moment, or before something ends.
    Wait {
        /// The moment, where there is one.
        until: Option<Timestamp>,
    },
}

/// Bounds of one claim.
#[derive(Debug)]
pub(crate) struct ClaimBounds {
    pub(crate) excluded: Vec<AccountId>,
    pub(crate) only: Option<AccountId>,
    pub(crate) after_account: Option<AccountId>,
    pub(crate) per_account_max: usize,
    pub(crate) count_max: usize,
    pub(crate) permits: Permits,
    /// When an account that is left out now may call again, or be probed.
    pub(crate) again_at: Option<Timestamp>,
}

/// The permits under which a call is made; given back with its end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Permits {
    own: Permit,
    service: Permit,
    credentials: Permit,
    account: Permit,
}

impl Permits {
    /// Whether the call is to tell whether this instance reaches the service.
    pub(crate) const fn is_trial(&self) -> bool {
        matches!(self.own, Permit::Probe(_))
    }

    /// Whether the call is a probe of something that was shut.
    pub(crate) const fn is_probe(&self) -> bool {
        self.is_trial()
            || matches!(self.service, Permit::Probe(_))
            || matches!(self.credentials, Permit::Probe(_))
            || matches!(self.account, Permit::Probe(_))
    }

    const fn free() -> Self {
        Self {
            own: Permit::Yes,
            service: Permit::Yes,
            credentials: Permit::Yes,
            account: Permit::Yes,
        }
    }
}

/// How a call ended, as far as circuits care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallEnd {
    Succeeded,
    Answered,
    FailedTransiently,
    CredentialsRefused,
    AccountUnusable,
    NotMade,
}

/// Whether a call that is no delivery may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadingTurn {
    /// It has begun.
    Begin,
    /// Not before this moment.
    Wait {
        /// The moment.
        until: Timestamp,
    },
    /// The service, or the account, cannot be used now.
    Shut,
}

/// What changed by the end of a call, for those who take up again what was given up.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Reopened {
    pub(crate) service: bool,
    pub(crate) account: Option<AccountId>,
}

impl Reopened {
    pub(crate) fn is_any(&self) -> bool {
        self.service || self.account.is_some()
    }
}

/// The state behind every permission to call. One to a process; behind a mutex, never held across an await.
pub(crate) struct Gate {
    circuit_policy: CircuitPolicy,
    /// Whether this instance reaches the service; all other circuits are those of all instances.
    own_way: OwnWay,
    service: Circuit,
    credentials: Circuit,
    accounts: BTreeMap<AccountId, Circuit>,
    unusable: BTreeSet<AccountId>,
    flight: Flight,
    /// Free slots that only accounts without a call under way may use.
    reserved: usize,
    pace: Pace,
    account_paces: AccountPaces,
    after_account: Option<AccountId>,
    /// Calls under way that are no deliveries.
    reading: ReadingSlots,
    /// What they are left even while deliveries need all of the rate.
    reading_pace: Pace,
    /// Calls that deliveries have in hand before others may take theirs.
    kept_for_deliveries: usize,
    /// Until when this instance may use its share of the rates.
    share_until: ShareUntil,
    /// Names this instance where circuits are shared.
    instance: String,
    /// What the other instances can read of open circuits.
    mirrored: BTreeMap<CircuitSubject, Mirrored>,
}

/// Until when a share of the rates may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ShareUntil {
    /// It is not known yet which instances there are besides.
    NotYet,
    /// Until this moment, unless it is confirmed before.
    Moment(Instant),
    /// There are no others.
    Always,
}

/// Of how many calls one is left to what is no delivery while deliveries need all of the rate.
const READING_SHARE: u32 = 10;

/// The first wait for a probe of an account that was shut while the service as a whole was, in seconds.
const PROBE_AFTER_OUTAGE_SECONDS: u32 = 1;

impl Gate {
    pub(crate) fn new(settings: &Settings, instance: &str) -> Self {
        let max_in_flight = settings.max_in_flight.max(1);
        let slots = u32::try_from(max_in_flight).unwrap_or(u32::MAX);
        let (rate, account_rate) = (settings.requests_per_second, settings.account_requests_per_second);
        let burst = slots.max(rate / 10);
        Self {
            circuit_policy: settings.circuit,
            own_way: OwnWay::new(settings.circuit),
            service: Circuit::new(settings.circuit),
            credentials: Circuit::new(at_once(settings.circuit)),
            accounts: BTreeMap::new(),
            unusable: BTreeSet::new(),
            flight: Flight::new(max_in_flight),
            reserved: max_in_flight.div_ceil(4),
            pace: Pace::new(rate, burst),
            account_paces: AccountPaces::new(account_rate, slots, rate),
            after_account: None,
            reading: ReadingSlots::new(max_in_flight.div_ceil(4)),
            reading_pace: Pace::new(rate / READING_SHARE, 1),
            kept_for_deliveries: usize::try_from(burst / 4).unwrap_or(usize::MAX),
            share_until: ShareUntil::Always,
            instance: instance.to_owned(),
            mirrored: BTreeMap::new(),
        }
    }

    /// Begins to make calls, stops to, or goes on, at a share of the rates.
    pub(crate) fn set_share(&mut self, share: Share, until: ShareUntil) {
        self.share_until = until;
        self.pace.set_share(share);
        self.reading_pace.set_share(share);
        self.account_paces.set_share(share);
        self.kept_for_deliveries = self.pace.burst() / 4;
    }

    /// Whether calls may be made at all, as far as other instances are concerned.
    pub(crate) fn has_share(&self) -> bool {
        match self.share_until {
            ShareUntil::NotYet => false,
            ShareUntil::Moment(until) => Instant::now() < until,
            ShareUntil::Always => true,
        }
    }

    /// Calls under way.
    pub(crate) fn in_flight(&self) -> usize {
        self.flight.in_flight()
    }

    /// Begins a call that is no delivery, when it may begin now. It yields to deliveries, and is never kept waiting
    /// by them for ever.
    pub(crate) fn begin_reading(&mut self, account: AccountId, now: Timestamp) -> ReadingTurn {
        let wait = |wait: SignedDuration| ReadingTurn::Wait {
            until: now.checked_add(wait).unwrap_or(Timestamp::MAX),
        };
        if self.own_way.is_shut() || self.is_account_shut_for_all(account) {
            return ReadingTurn::Shut;
        }
        if !self.has_share() || !self.reading.may_begin(account, self.flight.free(), now) {
            return wait(SignedDuration::from_millis(SLOT_WAIT_MILLISECONDS));
        }
        let own = self.account_paces.limited(now);
        if let Some((_, Err(own_wait))) = own.into_iter().find(|(limited, _)| *limited == account) {
            return wait(own_wait);
        }
        match self.pace.spare(now) {
            Err(next) => return wait(next),
            Ok(calls) if calls > self.kept_for_deliveries => {}
            Ok(_) => {
                if let Err(next) = self.reading_pace.spare(now) {
                    return wait(next.min(SignedDuration::from_millis(SLOT_WAIT_MILLISECONDS)));
                }
                self.reading_pace.charge(1, now);
            }
        }
        self.reading.began(account);
        self.flight.started(account);
        self.charge(account, 1, now);
        ReadingTurn::Begin
    }

    /// A call that is no delivery has ended, however.
    pub(crate) fn end_reading(&mut self, account: AccountId, took: Duration, now: Timestamp) {
        self.reading.ended(account, took, now);
        self.flight.ended(account);
    }

    /// Whether an account was slow of late to answer what is no delivery.
    pub(crate) fn is_slow_to_read(&self, account: AccountId) -> bool {
        self.reading.is_slow(account)
    }

    /// An account found unusable before a restart: it is probed before it is used.
    pub(crate) fn remember_unusable(&mut self, account: AccountId, now: Timestamp) {
        self.shut_account(account, Permits::free(), now);
    }

    /// What may be claimed now.
    pub(crate) fn turn(&mut self, now: Timestamp) -> Turn {
        if self.flight.free() == 0 || !self.has_share() {
            return Turn::Wait { until: None };
        }
        self.end_trial_in_outage(now);
        if self.own_way.is_on_trial() {
            return self.turn_on_trial(now);
        }
        if let Some(until) = self.behind_until(now) {
            return Turn::Wait { until: Some(until) };
        }
        let credentials = self.credentials.may_call(now);
        if let Permit::No { until } = credentials {
            return Turn::Wait { until: Some(until) };
        }
        let service = self.service.may_call(now);
        if let Permit::No { until } = service {
            self.credentials.release_probe(credentials);
            return Turn::Wait { until: Some(until) };
        }
        let permits = Permits {
            service,
            credentials,
            ..Permits::free()
        };
        if permits.is_probe() {
            return Turn::Claim(self.probe_bounds(permits, None));
        }
        let (probe, probe_at) = self.account_probe(now);
        if let Some((account, permit)) = probe {
            let permits = Permits {
                account: permit,
                ..permits
            };
            return Turn::Claim(self.probe_bounds(permits, Some(account)));
        }
        match self.pace.spare(now) {
            Ok(calls) => Turn::Claim(self.bounds(permits, calls, probe_at, now)),
            Err(wait) => Turn::Wait {
                until: now.checked_add(wait).ok(),
            },
        }
    }

    /// An account that is shut out and may be probed now, or else when the next one may.
    fn account_probe(&mut self, now: Timestamp) -> (Option<(AccountId, Permit)>, Option<Timestamp>) {
        let mut earliest: Option<Timestamp> = None;
        for (account, circuit) in &mut self.accounts {
            if !is_shut(circuit) {
                continue;
            }
            match circuit.may_call(now) {
                permit @ Permit::Probe(_) => return (Some((*account, permit)), None),
                Permit::No { until } => earliest = Some(earliest.map_or(until, |known| known.min(until))),
                Permit::Yes => {}
            }
        }
        (None, earliest)
    }

    /// Bounds of a probe: one call, of anybody or of one account.
    fn probe_bounds(&self, permits: Permits, only: Option<AccountId>) -> ClaimBounds {
        let mut excluded: Vec<AccountId> = self.flight.busy_accounts().collect();
        excluded.sort_unstable();
        ClaimBounds {
            excluded,
            only,
            after_account: self.after_account,
            per_account_max: 1,
            count_max: 1,
            permits,
            again_at: None,
        }
    }

    /// Bounds of a turn in which so many calls may begin.
    fn bounds(
        &mut self,
        permits: Permits,
        calls: usize,
        probe_at: Option<Timestamp>,
        now: Timestamp,
    ) -> ClaimBounds {
        let shut = self.accounts.iter().filter(|(_, circuit)| is_shut(circuit));
        let mut excluded: Vec<AccountId> = shut
            .map(|(account, _)| *account)
            .chain(self.flight.busy_accounts())
            .collect();
        // An account without a call under way; none is named so.
        let idle = self.flight.allowance(AccountId::new(uuid::Uuid::nil()));
        // No account that has calls under way may be given more than its own allowance; the least of those is
        // what every account is given this turn, so that nobody ever oversteps.
        let mut per_account_max = self
            .flight
            .accounts()
            .filter(|account| !excluded.contains(account))
            .map(|account| self.flight.allowance(account))
            .fold(idle, usize::min);
        let mut again_at = probe_at;
        for (account, spare) in self.account_paces.limited(now) {
            match spare {
                Ok(calls) => per_account_max = per_account_max.min(calls),
                Err(wait) => {
                    excluded.push(account);
                    let moment = now.checked_add(wait).unwrap_or(Timestamp::MAX);
                    again_at = Some(again_at.map_or(moment, |known| known.min(moment)));
                }
            }
        }
        excluded.sort_unstable();
        excluded.dedup();
        // Several accounts that begin together leave the reserved slots alone, too: those come in a next turn,
        // in which accounts with calls under way are busy.
        let free = self.flight.free();
        let slots = if free > self.reserved {
            free - self.reserved
        } else {
            free
        };
        ClaimBounds {
            excluded,
            only: None,
            after_account: self.after_account,
            per_account_max: per_account_max.max(1),
            count_max: calls.min(slots).max(1),
            permits,
            again_at,
        }
    }

    /// A call is about to be made under a claim.
    pub(crate) fn started(&mut self, account: AccountId, now: Timestamp) {
        self.flight.started(account);
        self.charge(account, 1, now);
        self.after_account = Some(account);
    }

    /// A call's slot is free again; it took so many calls besides the first.
    pub(crate) fn ended(&mut self, account: AccountId, further_calls: u32, now: Timestamp) {
        self.flight.ended(account);
        self.charge(account, further_calls, now);
    }

    fn charge(&mut self, account: AccountId, calls: u32, now: Timestamp) {
        self.pace.charge(calls, now);
        self.account_paces.charge(account, calls, now);
    }

    /// Learns from how a call ended.
    pub(crate) fn learn(
        &mut self,
        account: Option<AccountId>,
        end: CallEnd,
        permits: Permits,
        now: Timestamp,
    ) -> Reopened {
        let mut reopened = Reopened::default();
        if self.learn_alone(account, end, permits, now) {
            return reopened;
        }
        let was_shut = self.is_shut_for_all();
        match end {
            CallEnd::Succeeded | CallEnd::Answered => {
                reopened.service |= is_closed(self.service.succeeded(now));
                reopened.service |= is_closed(self.credentials.succeeded(now));
                if let Some(account) = account {
                    self.account_works(account, end, &mut reopened);
                }
            }
            CallEnd::FailedTransiently => {
                // Whether the credentials are accepted again is not known: the next probe waits like after a refusal.
                if matches!(permits.credentials, Permit::Probe(_)) {
                    self.credentials.failed_transiently(permits.credentials, now);
                }
                // An account that is known to fail says nothing new about the service as a whole.
                if !matches!(permits.account, Permit::Probe(_)) {
                    self.service.failed_transiently(permits.service, now);
                }
                if let Some(account) = account {
                    let policy = self.circuit_policy;
                    let circuit = self
                        .accounts
                        .entry(account)
                        .or_insert_with(|| Circuit::new(policy));
                    circuit.failed_transiently(permits.account, now);
                }
                self.doubt_own_failure(was_shut, permits, now);
            }
            CallEnd::CredentialsRefused => {
                reopened.service |= is_closed(self.service.answered(now));
                self.credentials.failed_transiently(permits.credentials, now);
                self.release_account(account, permits);
                self.doubt_own_failure(was_shut, permits, now);
            }
            CallEnd::AccountUnusable => {
                reopened.service |= is_closed(self.service.answered(now));
                reopened.service |= is_closed(self.credentials.answered(now));
                if let Some(account) = account {
                    self.shut_account(account, permits, now);
                }
            }
            CallEnd::NotMade => self.release_probes(account, permits),
        }
        if reopened.service {
            self.outage_ended();
            self.doubt_accounts(now);
        }
        reopened
    }

    /// The service is back: what failed with it need not be the accounts' own trouble, and may be. Those that
    /// are shut are probed again soon; the others begin anew.
    fn doubt_accounts(&mut self, now: Timestamp) {
        let policy = at_once(self.circuit_policy);
        let policy = CircuitPolicy {
            probe_initial_seconds: PROBE_AFTER_OUTAGE_SECONDS,
            ..policy
        };
        self.accounts.retain(|_, circuit| is_shut(circuit));
        for (account, circuit) in &mut self.accounts {
            if !self.unusable.contains(account) {
                *circuit = Circuit::new(policy);
                circuit.failed_transiently(Permit::Yes, now);
            }
        }
    }

    fn account_works(&mut self, account: AccountId, end: CallEnd, reopened: &mut Reopened) {
        let was_unusable = end == CallEnd::Succeeded && self.unusable.remove(&account);
        let was_shut = self
            .accounts
            .remove(&account)
            .is_some_and(|circuit| is_shut(&circuit));
        if was_unusable || was_shut {
            reopened.account = Some(account);
        }
    }

    fn shut_account(&mut self, account: AccountId, permits: Permits, now: Timestamp) {
        let policy = at_once(self.circuit_policy);
        self.unusable.insert(account);
        let circuit = self
            .accounts
            .entry(account)
            .or_insert_with(|| Circuit::new(policy));
        if !is_shut(circuit) {
            *circuit = Circuit::new(policy);
        }
        circuit.failed_transiently(permits.account, now);
    }

    fn release_probes(&mut self, account: Option<AccountId>, permits: Permits) {
        self.service.release_probe(permits.service);
        self.credentials.release_probe(permits.credentials);
        self.release_account(account, permits);
    }

    fn release_account(&mut self, account: Option<AccountId>, permits: Permits) {
        if let Some(circuit) = account.and_then(|account| self.accounts.get_mut(&account)) {
            circuit.release_probe(permits.account);
        }
    }

    /// Lets an account be tried at once, because a person says that it works again.
    pub(crate) fn reopen_account(&mut self, account: AccountId) {
        self.accounts.remove(&account);
    }

    /// Whether this instance cannot use the service now.
    pub(crate) fn is_shut(&self) -> bool {
        self.own_way.is_shut() || self.is_shut_for_all()
    }

    /// Whether no instance can use the service now.
    pub(crate) fn is_shut_for_all(&self) -> bool {
        is_shut(&self.credentials) || is_shut(&self.service)
    }

    /// Whether nothing of an account can be delivered now, by whichever instance.
    pub(crate) fn is_account_shut_for_all(&self, account: AccountId) -> bool {
        self.is_shut_for_all() || self.accounts.get(&account).is_some_and(is_shut)
    }

    /// The circuit of the service as a whole.
    pub(crate) fn circuit_state(&self) -> CircuitState {
        if is_shut(&self.credentials) {
            self.credentials.state()
        } else {
            self.service.state()
        }
    }

    /// Since when the service cannot be used, where it cannot.
    pub(crate) fn service_shut_since(&self) -> Option<Timestamp> {
        let shut = |circuit: &Circuit| {
            if is_shut(circuit) {
                circuit.opened_at()
            } else {
                None
            }
        };
        shut(&self.service).or_else(|| shut(&self.credentials))
    }

    /// Whether the service does not answer, and whether it refuses the credentials.
    pub(crate) fn shut_parts(&self) -> (bool, bool) {
        (is_shut(&self.service), is_shut(&self.credentials))
    }

    /// Accounts that cannot be used now.
    pub(crate) fn shut_accounts(&self) -> Vec<AccountId> {
        self.accounts
            .iter()
            .filter(|(_, circuit)| is_shut(circuit))
            .map(|(account, _)| *account)
            .collect()
    }

    /// Calls are free to be made without any permission: for probes outside a claim.
    pub(crate) const fn free_permits() -> Permits {
        Permits::free()
    }
}

/// A circuit that opens at the first failure and cannot be switched off: for what no retry of ours can mend.
fn at_once(policy: CircuitPolicy) -> CircuitPolicy {
    CircuitPolicy {
        enabled: true,
        failures: 1,
        ..policy
    }
}

fn is_shut(circuit: &Circuit) -> bool {
    matches!(circuit.state(), CircuitState::Open | CircuitState::HalfOpen)
}

fn is_closed(transition: Option<Transition>) -> bool {
    matches!(transition, Some(Transition::Closed { .. }))
}
