//! SKUs that look alike and are two: most often one of them was mistyped.

use std::collections::BTreeMap;

/// Letters that look alike, or that lost their mark: what is left is what the eye compares.
const ALIKE: [(char, char); 31] = [
    ('а', 'a'),
    ('в', 'b'),
    ('е', 'e'),
    ('ё', 'e'),
    ('к', 'k'),
    ('м', 'm'),
    ('н', 'h'),
    ('о', 'o'),
    ('р', 'p'),
    ('с', 'c'),
    ('т', 't'),
    ('у', 'y'),
    ('х', 'x'),
    ('і', 'i'),
    ('ј', 'j'),
    ('ѕ', 's'),
    ('ą', 'a'),
    ('ć', 'c'),
    ('ę', 'e'),
    ('ł', 'l'),
    ('ń', 'n'),
    ('ó', 'o'),
    ('ś', 's'),
    ('ź', 'z'),
    ('ż', 'z'),
    ('й', 'и'),
    ('α', 'a'),
    ('ο', 'o'),
    ('–', '-'),
    ('—', '-'),
    ('‑', '-'),
];

/// What a SKU looks like at a glance.
fn glance(sku: &str) -> String {
    sku.chars()
        .flat_map(char::to_lowercase)
        .map(|letter| {
            ALIKE
                .iter()
                .find(|(from, _)| *from == letter)
                .map_or(letter, |(_, to)| *to)
        })
        // Spaces and marks that stand apart are overlooked.
        .filter(|letter| {
            !letter.is_whitespace() && !matches!(letter, '\u{200b}'..='\u{200d}' | '\u{300}'..='\u{36f}')
        })
        .collect()
}

/// Groups of SKUs that look alike.
pub(super) fn near_duplicates(skus: impl Iterator<Item = String>) -> Vec<Vec<String>> {
    let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for sku in skus {
        let group = groups.entry(glance(&sku)).or_default();
        if !group.contains(&sku) {
            group.push(sku);
        }
    }
    groups.into_values().filter(|group| group.len() > 1).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skus_that_differ_in_case_script_spaces_or_marks_are_found() {
        for (left, right) in [
            ("KUB-1", "kub-1"),
            ("КUB-1", "KUB-1"),
            ("KUB -1", "KUB-1"),
            ("KUBEŁ", "KUBEL"),
            ("Z\u{307}", "Ż"),
        ] {
            let found = near_duplicates([left, right, "OTHER"].map(str::to_owned).into_iter());
            assert_eq!(found.len(), 1, "{left} {right}");
        }
        assert!(near_duplicates(["A-1", "A-2", "A-1"].map(str::to_owned).into_iter()).is_empty());
    }
}
