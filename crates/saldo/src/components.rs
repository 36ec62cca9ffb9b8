//! What an offer stands for, as it is written on the command line: `SKU` or `SKU=UNITS`.

use std::str::FromStr;

use serde_json::{Value, json};

/// A SKU and its units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Component {
    sku: String,
    units: i64,
}

impl FromStr for Component {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // A SKU may hold an equals sign itself: only a number behind the last one is taken for units.
        let split = text
            .rsplit_once('=')
            .and_then(|(sku, units)| Some((sku, units.parse().ok()?)));
        let (sku, units) = split.unwrap_or((text, 1));
        if sku.trim().is_empty() || units < 1 {
            return Err("write a SKU, or a SKU with its units such as MUG=2".to_owned());
        }
        Ok(Self {
            sku: sku.to_owned(),
            units,
        })
    }
}

impl Component {
    /// As the API takes them.
    pub(crate) fn json(components: &[Self]) -> Value {
        components
            .iter()
            .map(|component| json!({ "sku": component.sku, "units": component.units }))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_one_unless_said() {
        let component = |sku: &str, units| {
            Ok(Component {
                sku: sku.to_owned(),
                units,
            })
        };
        assert_eq!("MUG".parse(), component("MUG", 1));
        assert_eq!("MUG=2".parse(), component("MUG", 2));
        assert_eq!("A=B".parse(), component("A=B", 1));
        assert!("=2".parse::<Component>().is_err());
        assert!("MUG=0".parse::<Component>().is_err());
    }
}
