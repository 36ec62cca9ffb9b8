//! The orders of one account: the stored copies, and what Allegro would answer now.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use crate::forms::Form;

/// An order as the service first saw it. It is never refreshed, because the service's update path is broken.
#[derive(Debug, Clone)]
pub(crate) struct StoredCopy {
    pub(crate) form: Form,
    pub(crate) order_date: Option<Timestamp>,
    pub(crate) created_at: Timestamp,
    pub(crate) is_deleted: bool,
}

/// One order, stored, live, or both.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub(crate) order_id: Arc<str>,
    pub(crate) db_id: Uuid,
    pub(crate) stored: Option<StoredCopy>,
    pub(crate) live: Option<Form>,
}

/// The orders of one account.
#[derive(Default)]
pub(crate) struct Orders {
    rows: Vec<Order>,
    by_id: HashMap<Arc<str>, usize>,
    /// Rows with a stored copy, the newest date last, where new orders are added without moving the others.
    /// Rows without a date come after all others.
    by_date: Vec<usize>,
}

/// A page of a listing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Page {
    pub(crate) offset: usize,
    pub(crate) limit: usize,
    /// What the arrangement of equal dates depends on, as there is no tie-breaker.
    pub(crate) tie_salt: u64,
}

impl Orders {
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn rows(&self) -> &[Order] {
        &self.rows
    }

    pub(crate) fn get(&self, order_id: &str) -> Option<&Order> {
        self.by_id.get(order_id).and_then(|index| self.rows.get(*index))
    }

    /// Adds an order, or replaces the copies that are given and keeps the others.
    pub(crate) fn put(&mut self, order: Order) {
        let Some(&index) = self.by_id.get(&order.order_id) else {
            let index = self.rows.len();
            self.by_id.insert(order.order_id.clone(), index);
            self.rows.push(order);
            self.place(index);
            return;
        };
        let is_stored_anew = order.stored.is_some();
        if is_stored_anew {
            self.by_date.retain(|other| *other != index);
        }
        if let Some(row) = self.rows.get_mut(index) {
            row.stored = order.stored.or(row.stored.take());
            row.live = order.live.or(row.live.take());
        }
        if is_stored_anew {
            self.place(index);
        }
    }

    /// Takes away both copies of an order; says whether there was one.
    pub(crate) fn remove(&mut self, order_id: &str) -> bool {
        let Some(&index) = self.by_id.get(order_id) else {
            return false;
        };
        self.by_date.retain(|other| *other != index);
        let row = &mut self.rows[index];
        let was_there = row.stored.is_some() || row.live.is_some();
        (row.stored, row.live) = (None, None);
        was_there
    }

    fn place(&mut self, index: usize) {
        if self.rows[index].stored.is_none() {
            return;
        }
        let key = self.date_key(index);
        let position = self.by_date.partition_point(|other| self.date_key(*other) <= key);
        self.by_date.insert(position, index);
    }

    fn date_key(&self, index: usize) -> Timestamp {
        let stored = self.rows.get(index).and_then(|order| order.stored.as_ref());
        stored
            .and_then(|stored| stored.order_date)
            .unwrap_or(Timestamp::MAX)
    }

    /// The stored orders that pass the filter: how many, and one page of them.
    pub(crate) fn list(
        &self,
        page: Page,
        passes: impl Fn(&Order, &StoredCopy) -> bool,
    ) -> (usize, Vec<&Order>) {
        let matching: Vec<usize> = self
            .by_date
            .iter()
            .rev()
            .copied()
            .filter(|index| {
                let order = &self.rows[*index];
                order.stored.as_ref().is_some_and(|stored| passes(order, stored))
            })
            .collect();
        let start = page.offset.min(matching.len());
        let end = page.offset.saturating_add(page.limit).min(matching.len());
        let listed = self.arranged(&matching, start, end, page.tie_salt);
        (
            matching.len(),
            listed.into_iter().map(|index| &self.rows[index]).collect(),
        )
    }

    /// The rows from start to end, with each group of equal dates shuffled by the salt.
    fn arranged(&self, matching: &[usize], start: usize, end: usize, tie_salt: u64) -> Vec<usize> {
        if start >= end {
            return Vec::new();
        }
        let first = self.date_key(matching[start]);
        let last = self.date_key(matching[end - 1]);
        let group_start = matching.partition_point(|index| self.date_key(*index) > first);
        let group_end = matching.partition_point(|index| self.date_key(*index) >= last);
        let mut window = matching[group_start..group_end].to_vec();
        window.sort_by_cached_key(|index| {
            let mut hasher = DefaultHasher::new();
            (tie_salt, index).hash(&mut hasher);
            (std::cmp::Reverse(self.date_key(*index)), hasher.finish())
        });
        window[start - group_start..end - group_start].to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn orders_with_equal_dates(count: usize) -> Orders {
        let mut orders = Orders::default();
        for number in 0..count {
            let form = Form::Written(Arc::new(json!({"id": number.to_string()})));
            let date = Timestamp::from_second(1_000_000 + (number / 5) as i64).unwrap();
            orders.put(Order {
                order_id: number.to_string().into(),
                db_id: Uuid::from_u128(number as u128),
                stored: Some(StoredCopy {
                    form,
                    order_date: Some(date),
                    created_at: date,
                    is_deleted: false,
                }),
                live: None,
            });
        }
        orders
    }

    fn ids_of_all_pages(orders: &Orders, limit: usize, salt: impl Fn(usize) -> u64) -> Vec<String> {
        let pages = (0..60).step_by(limit);
        let page = |offset| {
            orders
                .list(
                    Page {
                        offset,
                        limit,
                        tie_salt: salt(offset),
                    },
                    |_, _| true,
                )
                .1
        };
        pages
            .flat_map(|offset| page(offset).into_iter().map(|order| order.order_id.to_string()))
            .collect()
    }

    #[test]
    fn one_arrangement_for_all_pages_lists_every_order_once() {
        let mut ids = ids_of_all_pages(&orders_with_equal_dates(60), 7, |_| 1);
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 60);
    }

    #[test]
    fn an_arrangement_per_page_loses_orders_with_equal_dates() {
        let mut ids = ids_of_all_pages(&orders_with_equal_dates(60), 3, |offset| offset as u64);
        assert_eq!(ids.len(), 60);
        ids.sort();
        ids.dedup();
        assert!(ids.len() < 60, "{} distinct", ids.len());
    }
}
