//! Running servers, and the circuits that they share.

use saldo_domain::ids::AccountId;
use uuid::Uuid;

use super::forms::at;
use super::{Fixture, must};
use crate::circuits::{CircuitSubject, OpenCircuit, Prober};
use crate::instances::{AttemptCounts, Instance, ServerRole};

fn instance(id: &str, name: &str, started: i64) -> Instance {
    Instance {
        id: id.to_owned(),
        name: name.to_owned(),
        version: "1.2.3".to_owned(),
        role: ServerRole::Worker,
        started_at: at(started),
        heartbeat_at: at(started),
        deliveries: 0,
        counts: AttemptCounts::default(),
        aside_since: None,
    }
}

async fn instances(fixture: &Fixture) -> Vec<Instance> {
    must!(fixture.store.instances().await, "instances")
}

pub(super) async fn instances_are_listed_until_they_are_removed(fixture: &Fixture) {
    let store = &fixture.store;
    assert_eq!(instances(fixture).await, []);
    let (later, first) = (instance("a", "Łódź", 20), instance("b", "Łódź", 10));
    let other = instance("c", "berlin", 30);
    for instance in [&later, &first, &other] {
        must!(store.put_instance(instance).await, "put_instance");
    }
    assert_eq!(
        instances(fixture).await,
        [other.clone(), first.clone(), later.clone()],
        "by name and start"
    );
    let beating = Instance {
        heartbeat_at: at(40),
        deliveries: 7,
        role: ServerRole::Api,
        counts: AttemptCounts {
            attempts: 5,
            successes: 4,
            retried: 3,
            retried_ms: 2_000,
        },
        aside_since: Some(at(35)),
        ..first.clone()
    };
    must!(store.put_instance(&beating).await, "put_instance");
    must!(store.remove_instance("b", Some(at(10))).await, "remove_instance");
    must!(store.remove_instance("a", Some(at(20))).await, "remove_instance");
    must!(store.remove_instance("unknown", None).await, "remove_instance");
    assert_eq!(
        instances(fixture).await,
        [other, beating],
        "one that was heard of since stays"
    );
    must!(store.remove_instance("b", None).await, "remove_instance");
    assert_eq!(instances(fixture).await.len(), 1);
}

fn circuit(subject: CircuitSubject) -> OpenCircuit {
    OpenCircuit {
        subject,
        opened_at: at(0),
        wait_seconds: 10,
        probe_due_at: at(10),
        prober: None,
        is_unusable: false,
    }
}

async fn put(fixture: &Fixture, circuit: &OpenCircuit, from: Option<u64>) -> Option<u64> {
    must!(fixture.store.put_circuit(circuit, from).await, "put_circuit")
}

async fn open(fixture: &Fixture) -> Vec<(OpenCircuit, u64)> {
    must!(fixture.store.open_circuits().await, "open_circuits")
}

pub(super) async fn a_circuit_changes_from_the_version_that_was_seen(fixture: &Fixture) {
    let store = &fixture.store;
    assert_eq!(open(fixture).await, []);
    let service = circuit(CircuitSubject::Service);
    assert_eq!(put(fixture, &service, Some(1)).await, None, "it is closed");
    let first = put(fixture, &service, None).await;
    assert!(first.is_some());
    assert_eq!(put(fixture, &service, None).await, None, "it is open already");
    let probed = OpenCircuit {
        prober: Some(Prober {
            instance: "one".to_owned(),
            until: at(60),
        }),
        ..service.clone()
    };
    let second = put(fixture, &probed, first).await;
    assert!(second > first);
    assert_eq!(
        put(fixture, &service, first).await,
        None,
        "it is another one by now"
    );
    assert_eq!(open(fixture).await, [(probed, second.unwrap_or_default())]);
    must!(
        store.close_circuit(CircuitSubject::Service).await,
        "close_circuit"
    );
    must!(
        store.close_circuit(CircuitSubject::Service).await,
        "close_circuit"
    );
    must!(
        store.close_circuit(CircuitSubject::Credentials).await,
        "close_circuit"
    );
    assert_eq!(open(fixture).await, []);
    assert_eq!(put(fixture, &service, second).await, None, "it was closed");
    let again = put(fixture, &service, None).await;
    assert!(again > second, "versions never repeat: {again:?}");
}

pub(super) async fn circuits_of_several_subjects_are_apart(fixture: &Fixture) {
    let account = CircuitSubject::Account(AccountId::new(Uuid::from_u128(7)));
    let unusable = OpenCircuit {
        is_unusable: true,
        wait_seconds: 60,
        ..circuit(account)
    };
    let credentials = circuit(CircuitSubject::Credentials);
    for circuit in [&unusable, &credentials] {
        assert!(put(fixture, circuit, None).await.is_some());
    }
    let mut open: Vec<OpenCircuit> = open(fixture)
        .await
        .into_iter()
        .map(|(circuit, _)| circuit)
        .collect();
    open.sort_by_key(|circuit| circuit.subject);
    assert_eq!(open, [credentials, unusable]);
}

/// Many that want to probe at once: one may.
pub(super) async fn of_many_that_want_to_probe_one_may(fixture: &Fixture) {
    let service = circuit(CircuitSubject::Service);
    let mut version = put(fixture, &service, None).await;
    for _ in 0..5 {
        let mut asking = tokio::task::JoinSet::new();
        for number in 0..8 {
            let store = fixture.store.clone();
            let probed = OpenCircuit {
                prober: Some(Prober {
                    instance: format!("instance-{number}"),
                    until: at(60),
                }),
                ..service.clone()
            };
            asking.spawn(async move { must!(store.put_circuit(&probed, version).await, "put_circuit") });
        }
        let granted: Vec<u64> = asking.join_all().await.into_iter().flatten().collect();
        assert_eq!(granted.len(), 1, "{granted:?}");
        version = granted.first().copied();
    }
}
