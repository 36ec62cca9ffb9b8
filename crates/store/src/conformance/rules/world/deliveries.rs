//! Deliveries in a world: claimed, answered by a service that the scenario plays, and settled.

use super::*;

impl World {
    pub(in crate::conformance::rules) async fn give_up(&mut self, before: Timestamp) -> OutageOutcome {
        let give_up = Command::GiveUp {
            account: None,
            before,
        };
        self.outage(give_up).await
    }

    pub(in crate::conformance::rules) async fn end_outage(&mut self, review: ReviewId) -> OutageOutcome {
        self.outage(Command::EndOutage { review }).await
    }

    pub(in crate::conformance::rules) async fn outage(&mut self, command: Command) -> OutageOutcome {
        match self.ask(command).await {
            Ok(Outcome::Outage(outcome)) => outcome,
            other => panic!("{}: an outage was answered with {other:?}", self.name),
        }
    }

    // Deliveries.

    /// Whether the service's flag of an order is settled: nothing is on its way, and Saldo is to mend it.
    pub(in crate::conformance::rules) async fn may_lose_flag(&self, order: &str) -> bool {
        let key = key(order);
        match self.store.order(&key).await.unwrap() {
            Some(file) => {
                file.delivery.is_none()
                    && file.order.flag_confirmed == Some(file.order.level())
                    && file.order.touched
            }
            None => false,
        }
    }

    /// The service holds the other flag, nobody knows why.
    pub(in crate::conformance::rules) fn flip(&mut self, order: &str) {
        let flag = self.remote.entry(key(order)).or_default();
        *flag = !*flag;
    }

    /// Claims what is due now.
    pub(in crate::conformance::rules) async fn claim(&mut self) -> Vec<Claim> {
        self.claim_at_most(100).await
    }

    pub(in crate::conformance::rules) async fn claim_at_most(&mut self, count_max: usize) -> Vec<Claim> {
        let due = DueRequest {
            now: self.now,
            after_account: None,
            excluded: Vec::new(),
            only: None,
            per_account_max: 100,
            count_max,
        };
        self.claims(ClaimOrders::Due(due)).await
    }

    pub(in crate::conformance::rules) async fn claim_order(&mut self, order: &str) -> Option<Claim> {
        self.claims(ClaimOrders::These(vec![key(order)])).await.pop()
    }

    /// Claims the one delivery that is due.
    pub(in crate::conformance::rules) async fn claim_one(&mut self) -> Claim {
        let mut claims = self.claim().await;
        assert_eq!(claims.len(), 1, "{}: one delivery is due", self.name);
        claims.remove(0)
    }

    pub(in crate::conformance::rules) async fn claims(&mut self, orders: ClaimOrders) -> Vec<Claim> {
        match self.ask(Command::Claim(ClaimRequest { orders })).await {
            Ok(Outcome::Claimed(claims)) => claims,
            other => panic!("{}: a claim was answered with {other:?}", self.name),
        }
    }

    pub(in crate::conformance::rules) async fn settle(
        &mut self,
        claim: &Claim,
        outcome: Attempt,
    ) -> SettleOutcome {
        match self.ask(settle(claim, outcome)).await {
            Ok(Outcome::Settled(settled)) => settled,
            other => panic!("{}: an attempt was answered with {other:?}", self.name),
        }
    }

    /// The one delivery that is due ends so.
    pub(in crate::conformance::rules) async fn attempt(&mut self, outcome: Attempt) -> SettleOutcome {
        let claim = self.claim_one().await;
        self.settle(&claim, outcome).await
    }

    /// The service gets what a claim tells, and says how it ended.
    pub(in crate::conformance::rules) fn arrive(&mut self, claim: &Claim) -> Attempt {
        match claim.task {
            Task::Send => {
                self.sent.push((claim.key.clone(), claim.flag));
                self.remote.insert(claim.key.clone(), claim.flag);
                Attempt::Delivered
            }
            Task::Verify if self.holds(&claim.key) == claim.flag => Attempt::Delivered,
            Task::Verify => Attempt::Differs,
        }
    }

    /// The flag that the service holds; false when it was never told.
    pub(in crate::conformance::rules) fn holds(&self, key: &OrderKey) -> bool {
        self.remote.get(key).copied().unwrap_or(false)
    }

    pub(in crate::conformance::rules) fn expect_remote(&self, order: &str, expected: bool) {
        let found = self.holds(&key(order));
        assert_eq!(found, expected, "{}: the service's flag of {order}", self.name);
    }

    /// Delivers what is due now, all of it successfully.
    pub(in crate::conformance::rules) async fn deliver(&mut self) {
        for _ in 0..100 {
            let claims = self.claim().await;
            if claims.is_empty() {
                return;
            }
            for claim in claims {
                let outcome = self.arrive(&claim);
                self.settle(&claim, outcome).await;
            }
        }
        panic!("{}: deliveries never end", self.name);
    }

    /// Lets time pass with a healthy service until nothing is owed.
    pub(in crate::conformance::rules) async fn settle_down(&mut self) {
        for _ in 0..100 {
            self.deliver().await;
            match self.store.next_due(&[]).await.unwrap() {
                None => return,
                Some(due) => self.now = self.now.max(due),
            }
        }
        panic!("{}: something is owed for ever", self.name);
    }

    // The end of every scenario.
}
