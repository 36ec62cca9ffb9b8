//! What instances tell each other of their circuits.
//!
//! Each instance counts failures by itself. From the opening to the closing of a circuit the store knows of it, and
//! every instance takes over what the store says. What was found out here and not stored yet wins until it is: it is
//! stored only from the version that was seen, so two instances that find out something at once do not undo each
//! other.

use std::collections::BTreeSet;

use jiff::Timestamp;
use saldo_domain::circuit::{Circuit, CircuitPolicy, KnownOutage, Permit, ProbedBy};
use saldo_domain::ids::AccountId;
use saldo_store::circuits::{CircuitSubject, OpenCircuit, Prober};

use super::{Gate, Permits, at_once, is_shut};

/// An open circuit as the store is known to hold it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mirrored {
    version: u64,
    outage: KnownOutage,
    is_unusable: bool,
    /// Whether it says that this instance probes.
    is_ours: bool,
}

/// What the store is to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// A circuit is open, or its probe has ended; the version that was seen.
    Put(OpenCircuit, Option<u64>),
    /// A circuit has closed.
    Close(CircuitSubject),
}

impl Change {
    /// What it is about.
    pub(crate) const fn subject(&self) -> CircuitSubject {
        match self {
            Self::Put(circuit, _) => circuit.subject,
            Self::Close(subject) => *subject,
        }
    }
}

impl Gate {
    /// Whether there is something that the others do not know of yet.
    pub(crate) fn is_unpublished(&self) -> bool {
        self.unpublished(&BTreeSet::new()).is_some()
    }

    /// The next change to tell the store, besides those in which it knows better.
    pub(crate) fn unpublished(&self, overruled: &BTreeSet<CircuitSubject>) -> Option<Change> {
        let open = self.accounts.iter().filter(|(_, circuit)| is_shut(circuit));
        let accounts = open.map(|(account, _)| CircuitSubject::Account(*account));
        [CircuitSubject::Service, CircuitSubject::Credentials]
            .into_iter()
            .chain(accounts)
            .chain(self.mirrored.keys().copied())
            .filter(|subject| !overruled.contains(subject))
            .find_map(|subject| self.change_of(subject))
    }

    fn change_of(&self, subject: CircuitSubject) -> Option<Change> {
        let open = self.open_here(subject);
        let (circuit, mirrored) = match (open, self.mirrored.get(&subject)) {
            (None, None) => return None,
            (None, Some(_)) => return Some(Change::Close(subject)),
            (Some(circuit), None) => return Some(Change::Put(circuit, None)),
            (Some(circuit), Some(mirrored)) => (circuit, mirrored),
        };
        let is_known = mirrored.outage == outage_of(&circuit)
            && mirrored.is_unusable == circuit.is_unusable
            && mirrored.is_ours == circuit.prober.is_some();
        (!is_known).then_some(Change::Put(circuit, Some(mirrored.version)))
    }

    /// A circuit as it stands here, while it is open. A probe counts once the store has granted it.
    fn open_here(&self, subject: CircuitSubject) -> Option<OpenCircuit> {
        let circuit = self.circuit(subject).filter(|circuit| is_shut(circuit))?;
        let known = circuit.known_outage()?;
        let is_ours = self
            .mirrored
            .get(&subject)
            .is_some_and(|mirrored| mirrored.is_ours);
        Some(OpenCircuit {
            subject,
            opened_at: known.opened_at,
            wait_seconds: known.wait_seconds,
            probe_due_at: known.probe_due_at,
            prober: circuit
                .probing_until()
                .filter(|_| is_ours)
                .map(|until| self.prober(until)),
            is_unusable: matches!(subject, CircuitSubject::Account(account) if self.unusable.contains(&account)),
        })
    }

    fn prober(&self, until: Timestamp) -> Prober {
        Prober {
            instance: self.instance.clone(),
            until: Timestamp::from_microsecond(until.as_microsecond()).unwrap_or(until),
        }
    }

    fn circuit(&self, subject: CircuitSubject) -> Option<&Circuit> {
        match subject {
            CircuitSubject::Service => Some(&self.service),
            CircuitSubject::Credentials => Some(&self.credentials),
            CircuitSubject::Account(account) => self.accounts.get(&account),
        }
    }

    /// What the store must grant before probes are made under these permits.
    pub(crate) fn probes_to_take(&self, permits: Permits, account: Option<AccountId>) -> Vec<Change> {
        let account = account.map(|account| (CircuitSubject::Account(account), permits.account));
        [
            (CircuitSubject::Service, permits.service),
            (CircuitSubject::Credentials, permits.credentials),
        ]
        .into_iter()
        .chain(account)
        .filter(|(_, permit)| matches!(permit, Permit::Probe(_)))
        .filter_map(|(subject, _)| {
            let until = self.circuit(subject)?.probing_until()?;
            let mut circuit = self.open_here(subject)?;
            circuit.prober = Some(self.prober(until));
            let version = self.mirrored.get(&subject).map(|mirrored| mirrored.version);
            Some(Change::Put(circuit, version))
        })
        .collect()
    }

    /// The store has taken a change over; a circuit that is open now has this version.
    pub(crate) fn published(&mut self, change: &Change, version: u64) {
        match change {
            Change::Put(circuit, _) => {
                let mirrored = self.mirrored_of(circuit, version);
                self.mirrored.insert(circuit.subject, mirrored);
            }
            Change::Close(subject) => {
                self.mirrored.remove(subject);
            }
        }
    }

    fn mirrored_of(&self, circuit: &OpenCircuit, version: u64) -> Mirrored {
        let prober = circuit.prober.as_ref();
        Mirrored {
            version,
            outage: outage_of(circuit),
            is_unusable: circuit.is_unusable,
            is_ours: prober.is_some_and(|prober| prober.instance == self.instance),
        }
    }

    /// Takes over what the store holds, except where something newer was found out here; where it was `overruled`,
    /// the store knows better. Says whether anything changed.
    pub(crate) fn take_over(
        &mut self,
        open: &[(OpenCircuit, u64)],
        overruled: &BTreeSet<CircuitSubject>,
        now: Timestamp,
    ) -> bool {
        let before = self.shut_subjects();
        let mut in_store = BTreeSet::new();
        for (circuit, version) in open {
            let subject = circuit.subject;
            in_store.insert(subject);
            if overruled.contains(&subject) || self.change_of(subject).is_none() {
                self.open(circuit, *version);
            }
        }
        let known = self.mirrored.keys().chain(overruled).copied();
        let gone: Vec<_> = known.filter(|subject| !in_store.contains(subject)).collect();
        for subject in gone {
            if overruled.contains(&subject) || self.change_of(subject).is_none() {
                self.close(subject, now);
            }
        }
        self.shut_subjects() != before
    }

    fn open(&mut self, circuit: &OpenCircuit, version: u64) {
        let mirrored = self.mirrored_of(circuit, version);
        let probed_by = match &circuit.prober {
            None => ProbedBy::Nobody,
            Some(_) if mirrored.is_ours => ProbedBy::Ourselves,
            Some(prober) => ProbedBy::Another { until: prober.until },
        };
        let policy = self.circuit_policy;
        let here = match circuit.subject {
            CircuitSubject::Service => &mut self.service,
            CircuitSubject::Credentials => &mut self.credentials,
            CircuitSubject::Account(account) => {
                let policy = if circuit.is_unusable {
                    at_once(policy)
                } else {
                    policy
                };
                self.mark_unusable(account, circuit.is_unusable, policy);
                self.accounts
                    .entry(account)
                    .or_insert_with(|| Circuit::new(policy))
            }
        };
        here.take_over(mirrored.outage, probed_by);
        // Where circuits are switched off, there is nothing to be in step with.
        if is_shut(here) {
            self.mirrored.insert(circuit.subject, mirrored);
        }
    }

    fn mark_unusable(&mut self, account: AccountId, is_unusable: bool, policy: CircuitPolicy) {
        if !is_unusable {
            self.unusable.remove(&account);
        } else if self.unusable.insert(account) {
            self.accounts.insert(account, Circuit::new(policy));
        }
    }

    fn close(&mut self, subject: CircuitSubject, now: Timestamp) {
        self.mirrored.remove(&subject);
        let is_wide = !matches!(subject, CircuitSubject::Account(_));
        if is_wide && self.circuit(subject).is_some_and(is_shut) {
            self.closed_by_another(now);
        }
        match subject {
            CircuitSubject::Service => {
                self.service = Circuit::new(self.circuit_policy);
                // What failed with the service need not be the accounts' own trouble.
                self.accounts.retain(|_, circuit| is_shut(circuit));
            }
            CircuitSubject::Credentials => self.credentials = Circuit::new(at_once(self.circuit_policy)),
            CircuitSubject::Account(account) => {
                self.accounts.remove(&account);
                self.unusable.remove(&account);
            }
        }
    }

    fn shut_subjects(&self) -> Vec<(CircuitSubject, Option<KnownOutage>, bool)> {
        let accounts = self.accounts.keys().copied().map(CircuitSubject::Account);
        [CircuitSubject::Service, CircuitSubject::Credentials]
            .into_iter()
            .chain(accounts)
            .filter_map(|subject| {
                let circuit = self.circuit(subject).filter(|circuit| is_shut(circuit))?;
                let is_probed = circuit.state() == saldo_domain::circuit::CircuitState::HalfOpen;
                Some((subject, circuit.known_outage(), is_probed))
            })
            .collect()
    }
}

const fn outage_of(circuit: &OpenCircuit) -> KnownOutage {
    KnownOutage {
        opened_at: circuit.opened_at,
        wait_seconds: circuit.wait_seconds,
        probe_due_at: circuit.probe_due_at,
    }
}
