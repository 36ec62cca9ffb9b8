//! The lines of orders and operations.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};

/// Lines that are copied only when they are changed while somebody else holds them, too.
///
/// A decision works on a copy of what was loaded, and what it made of that is gathered to be written, shown to the next
/// decision, and perhaps kept. Most of it is as it was: of an order that is delivered no line changes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "Vec<T>")]
pub struct Lines<T>(Arc<Vec<T>>);

impl<T> Default for Lines<T> {
    fn default() -> Self {
        Vec::new().into()
    }
}

impl<T> From<Vec<T>> for Lines<T> {
    fn from(lines: Vec<T>) -> Self {
        Self(Arc::new(lines))
    }
}

impl<T: Serialize> Serialize for Lines<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.as_slice().serialize(serializer)
    }
}

impl<T> Deref for Lines<T> {
    type Target = Vec<T>;

    fn deref(&self) -> &Vec<T> {
        &self.0
    }
}

impl<T: Clone> DerefMut for Lines<T> {
    fn deref_mut(&mut self) -> &mut Vec<T> {
        Arc::make_mut(&mut self.0)
    }
}

impl<T: Clone> IntoIterator for Lines<T> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        Arc::unwrap_or_clone(self.0).into_iter()
    }
}

impl<'l, T> IntoIterator for &'l Lines<T> {
    type Item = &'l T;
    type IntoIter = std::slice::Iter<'l, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'l, T: Clone> IntoIterator for &'l mut Lines<T> {
    type Item = &'l mut T;
    type IntoIter = std::slice::IterMut<'l, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_seen_by_nobody_else_who_holds_the_same_lines() {
        let first: Lines<u8> = vec![1].into();
        let mut second = first.clone();
        assert_eq!(first, second);
        second.push(2);
        for line in &mut second {
            *line += 10;
        }
        assert_eq!(first.as_slice(), [1]);
        assert_eq!(second.into_iter().collect::<Vec<_>>(), [11, 12]);
    }
}
