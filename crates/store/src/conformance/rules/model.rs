//! What the design says of a few orders, told again in as few words as possible, from the design and not from
//! the code: per line what is taken, per order where it stands, per SKU what is left.

use std::collections::{BTreeMap, BTreeSet};

/// One line.
#[derive(Debug, Clone, Default)]
pub(super) struct ModelLine {
    pub(super) sku: &'static str,
    pub(super) quantity: i64,
    /// What is taken now.
    pub(super) net: i64,
    /// What waits to be taken (or, below zero, to come back).
    wanted: i64,
    /// Whether it was ever taken: then it is remembered for ever.
    ever: bool,
    /// What the order's first operation took of it.
    named: i64,
}

/// Where an order stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stands {
    Unpaid,
    Waiting,
    Taken,
    GivenBack,
    Cancelled,
    Merged,
}

/// One order.
#[derive(Debug, Clone)]
pub(super) struct ModelOrder {
    pub(super) stands: Stands,
    pub(super) lines: BTreeMap<&'static str, ModelLine>,
    shipped: bool,
    first_applied: bool,
    first_undone: bool,
    short: BTreeSet<&'static str>,
}

impl ModelOrder {
    pub(super) fn net(&self) -> i64 {
        self.lines.values().map(|line| line.net).sum()
    }
}

/// Everything.
#[derive(Debug, Clone, Default)]
pub(super) struct Model {
    pub(super) stock: BTreeMap<&'static str, i64>,
    pub(super) orders: BTreeMap<&'static str, ModelOrder>,
    seen: Vec<&'static str>,
}

/// A copy that is posted: line, SKU, quantity.
pub(super) type Copy = Vec<(&'static str, &'static str, i64)>;

impl Model {
    pub(super) fn receive(&mut self, sku: &'static str, quantity: i64) {
        *self.stock.entry(sku).or_default() += quantity;
        for order in self.seen.clone() {
            if self.orders[order].stands == Stands::Waiting && self.orders[order].short.contains(sku) {
                self.fill(order);
            }
        }
    }

    /// A copy, new or a repeat; a repeat only tries again.
    pub(super) fn post(&mut self, order: &'static str, copy: &Copy, ready: bool, shipped: bool, newer: bool) {
        let Some(known) = self.orders.get_mut(order) else {
            self.first_sight(order, copy, ready, shipped);
            return;
        };
        if known.stands == Stands::Merged {
            return;
        }
        known.shipped |= shipped;
        match known.stands {
            Stands::Taken if !ready || !newer || known.shipped => {}
            Stands::Taken => {
                self.change(order, copy);
                self.fill(order);
            }
            Stands::Unpaid | Stands::Waiting => {
                let is_tried = ready || known.stands == Stands::Waiting;
                let frozen = is_tried && known.shipped && known.net() > 0;
                if newer && !frozen {
                    self.change(order, copy);
                }
                if ready || self.orders[order].stands == Stands::Waiting {
                    self.fill(order);
                }
            }
            _ => {}
        }
    }

    fn first_sight(&mut self, order: &'static str, copy: &Copy, ready: bool, shipped: bool) {
        self.seen.push(order);
        let mut new = ModelOrder {
            stands: if ready { Stands::Waiting } else { Stands::Unpaid },
            lines: BTreeMap::new(),
            shipped,
            first_applied: false,
            first_undone: false,
            short: BTreeSet::new(),
        };
        let holders: Vec<&'static str> = self
            .orders
            .iter()
            .filter(|(_, other)| copy.iter().any(|(line, _, _)| other.lines.contains_key(line)))
            .map(|(name, _)| *name)
            .collect();
        if holders.iter().any(|holder| {
            self.orders[holder]
                .lines
                .values()
                .filter(|line| line.quantity > 0)
                .count()
                >= copy.len()
        }) {
            new.stands = Stands::Merged;
            self.orders.insert(order, new);
            return;
        }
        for (line, sku, quantity) in copy {
            let mut taken_over = ModelLine {
                sku,
                quantity: *quantity,
                wanted: *quantity,
                ..ModelLine::default()
            };
            for holder in &holders {
                let other = self.orders.get_mut(holder);
                let Some(other) = other else { continue };
                new.shipped |= other.shipped;
                if let Some(theirs) = other.lines.remove(line)
                    && theirs.ever
                    && (other.stands != Stands::Cancelled || theirs.net > 0)
                {
                    // The deduction goes along with the line; what came back stays back.
                    taken_over = ModelLine {
                        wanted: 0,
                        named: 0,
                        ..theirs
                    };
                }
            }
            new.lines.insert(line, taken_over);
        }
        for holder in holders {
            if let Some(other) = self.orders.get_mut(holder) {
                other.stands = Stands::Merged;
            }
        }
        self.orders.insert(order, new);
        if ready {
            self.fill(order);
        }
    }

    /// The difference that a newer copy makes.
    fn change(&mut self, order: &'static str, copy: &Copy) {
        let Some(known) = self.orders.get_mut(order) else {
            return;
        };
        let taken = known.stands == Stands::Taken;
        for (line, sku, quantity) in copy {
            // A line that was called off before it was taken has no difference to take.
            let called_off = taken && known.lines.get(line).is_some_and(|line| !line.ever);
            let ours = known.lines.entry(line).or_insert_with(|| ModelLine {
                sku,
                ..ModelLine::default()
            });
            ours.wanted += if called_off { 0 } else { quantity - ours.quantity };
            ours.quantity = *quantity;
        }
        known.lines.retain(|line, ours| {
            if copy.iter().any(|(named, _, _)| named == line) {
                return true;
            }
            ours.quantity = 0;
            ours.wanted = -ours.net;
            ours.ever
        });
    }

    /// Takes all that is wanted, or nothing.
    fn fill(&mut self, order: &'static str) {
        let Some(known) = self.orders.get_mut(order) else {
            return;
        };
        for line in known.lines.values_mut().filter(|line| line.ever) {
            line.wanted = line.wanted.clamp(-line.net, (line.quantity - line.net).max(0));
        }
        let mut required: BTreeMap<&'static str, i64> = BTreeMap::new();
        for line in known.lines.values() {
            *required.entry(line.sku).or_default() += line.wanted;
        }
        known.short = required
            .into_iter()
            .filter(|(sku, required)| *required > 0 && *required > self.stock.get(sku).copied().unwrap_or(0))
            .map(|(sku, _)| sku)
            .collect();
        if !known.short.is_empty() {
            known.stands = Stands::Waiting;
            return;
        }
        for line in known.lines.values_mut() {
            *self.stock.entry(line.sku).or_default() -= line.wanted;
            line.net += line.wanted;
            line.ever |= line.wanted != 0;
            line.wanted = 0;
            if !known.first_applied {
                line.named = line.net;
            }
        }
        known.first_applied = true;
        known.stands = if known.net() > 0 {
            Stands::Taken
        } else {
            Stands::GivenBack
        };
    }

    pub(super) fn cancel(&mut self, order: &'static str, copy: &Copy) {
        let is_held = |line| self.orders.values().any(|order| order.lines.contains_key(line));
        let free: Vec<_> = copy.iter().filter(|(line, _, _)| !is_held(line)).collect();
        let Some(known) = self.orders.get_mut(order) else {
            let lines = free.into_iter().map(|(line, sku, quantity)| {
                let line_now = ModelLine {
                    sku,
                    quantity: *quantity,
                    ..ModelLine::default()
                };
                (*line, line_now)
            });
            let cancelled = ModelOrder {
                stands: Stands::Cancelled,
                lines: lines.collect(),
                shipped: false,
                first_applied: false,
                first_undone: false,
                short: BTreeSet::new(),
            };
            self.seen.push(order);
            self.orders.insert(order, cancelled);
            return;
        };
        if known.stands == Stands::Merged
            || known.stands == Stands::Cancelled
            || known.shipped && known.net() > 0
        {
            return;
        }
        if !known.first_applied {
            known.first_undone = true;
        }
        for line in known.lines.values_mut() {
            *self.stock.entry(line.sku).or_default() += line.net;
            line.net = 0;
            line.wanted = 0;
        }
        known.stands = Stands::Cancelled;
    }

    pub(super) fn refund(&mut self, order: &'static str, sku: &'static str, quantity: i64) {
        let Some(known) = self.orders.get_mut(order) else {
            return;
        };
        let taken: i64 = known
            .lines
            .values()
            .filter(|line| line.sku == sku)
            .map(|line| line.net)
            .sum();
        if quantity > taken || known.stands == Stands::Merged {
            return;
        }
        let mut left = quantity;
        for line in known.lines.values_mut().filter(|line| line.sku == sku) {
            let back = left.min(line.net);
            line.net -= back;
            left -= back;
        }
        *self.stock.entry(sku).or_default() += quantity;
        self.came_back(order);
    }

    /// Undoes the order's first operation.
    pub(super) fn roll_back(&mut self, order: &'static str) {
        let Some(known) = self.orders.get_mut(order) else {
            return;
        };
        if known.stands == Stands::Merged || known.shipped || known.first_undone {
            return;
        }
        known.first_undone = true;
        if !known.first_applied {
            for line in known.lines.values_mut() {
                line.wanted = 0;
            }
            known.first_applied = true;
            known.stands = if known.net() > 0 {
                Stands::Taken
            } else {
                Stands::GivenBack
            };
            return;
        }
        for line in known.lines.values_mut() {
            let back = line.named.min(line.net);
            line.net -= back;
            *self.stock.entry(line.sku).or_default() += back;
        }
        self.came_back(order);
    }

    /// Of what has all come back, nothing more is taken by itself.
    fn came_back(&mut self, order: &'static str) {
        let Some(known) = self.orders.get_mut(order) else {
            return;
        };
        if known.net() == 0 && known.first_applied && known.stands != Stands::Cancelled {
            known.stands = Stands::GivenBack;
            for line in known.lines.values_mut() {
                line.wanted = 0;
            }
        }
    }
}
