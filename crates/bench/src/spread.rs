//! Figures of several rounds: never one number alone.

use std::fmt;

/// The median of some rounds, with the least and the greatest.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// The spread of at least one figure.
    pub(crate) fn of(figures: &[f64]) -> Self {
        let mut sorted = figures.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        let nth = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
        let middle = sorted.len() / 2;
        let median = if sorted.len() % 2 == 1 {
            nth(middle)
        } else {
            f64::midpoint(nth(middle.saturating_sub(1)), nth(middle))
        };
        Self {
            median,
            min: nth(0),
            max: nth(sorted.len().saturating_sub(1)),
        }
    }

    /// The spread of the ratios, taken pair by pair: what slows the machine down slows down both of a pair.
    pub(crate) fn of_ratios(ours: &[f64], beside: &[f64]) -> Self {
        let ratios: Vec<f64> = ours
            .iter()
            .zip(beside)
            .map(|(ours, beside)| ours / beside)
            .collect();
        Self::of(&ratios)
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = if self.max < 20.0 { 2 } else { 0 };
        write!(
            formatter,
            "{:.decimals$} ({:.decimals$}–{:.decimals$})",
            self.median, self.min, self.max
        )
    }
}
