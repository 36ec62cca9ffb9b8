//! JSON taken apart into the texts of its parts, so that a long answer need not become one tree of values, which takes
//! many times the memory of its text.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;

use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// Members of an answer: the service's have four. They are bounded, as everything is that is kept.
const MEMBERS_MAX: usize = 100;

/// The members of an object, each as its text.
///
/// # Errors
/// When it is no object, names one member twice, or has too many.
pub(crate) fn members(text: &[u8]) -> serde_json::Result<BTreeMap<String, &RawValue>> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let members = deserializer.deserialize_map(Members)?;
    deserializer.end()?;
    Ok(members)
}

/// The items of a list, each as its text.
///
/// # Errors
/// When it is no list, or has more than so many items.
pub(crate) fn items(text: &RawValue, items_max: usize) -> serde_json::Result<Vec<&RawValue>> {
    serde_json::Deserializer::from_str(text.get()).deserialize_seq(Items { items_max })
}

struct Members;

impl<'t> Visitor<'t> for Members {
    type Value = BTreeMap<String, &'t RawValue>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'t>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut members = BTreeMap::new();
        while let Some(name) = entries.next_key::<String>()? {
            if members.len() == MEMBERS_MAX {
                return Err(A::Error::custom("it has too many members"));
            }
            match members.entry(name) {
                Entry::Vacant(place) => {
                    place.insert(entries.next_value()?);
                }
                Entry::Occupied(_) => return Err(A::Error::custom("a member stands twice in it")),
            }
        }
        Ok(members)
    }
}

struct Items {
    items_max: usize,
}

impl<'t> Visitor<'t> for Items {
    type Value = Vec<&'t RawValue>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'t>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = entries.next_element()? {
            if items.len() == self.items_max {
                let words = format_args!("it has more than {} items", self.items_max);
                return Err(A::Error::custom(words));
            }
            items.push(item);
        }
        Ok(items)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_gives_the_texts_of_its_members() {
        let parts = members(br#" { "a" : [1, {"a": 2}] , "b\u0063": "x" } "#).unwrap();
        let texts: Vec<(&str, &str)> = parts
            .iter()
            .map(|(name, text)| (name.as_str(), text.get()))
            .collect();
        assert_eq!(texts, [("a", r#"[1, {"a": 2}]"#), ("bc", r#""x""#)]);
    }

    #[test]
    fn what_is_no_object_or_could_be_read_in_two_ways_is_refused() {
        let many: Vec<String> = (0..=MEMBERS_MAX)
            .map(|number| format!("\"{number}\":0"))
            .collect();
        let many = format!("{{{}}}", many.join(","));
        let bad: [&[u8]; 9] = [
            b"",
            b"[]",
            b"null",
            b"{} {}",
            b"{\"a\":1",
            b"{\"a\":}",
            b"{\"a\":1,\"\\u0061\":1}",
            b"{\"a\":\"\xff\"}",
            many.as_bytes(),
        ];
        for text in bad {
            assert!(members(text).is_err(), "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn a_list_gives_the_texts_of_its_items_up_to_a_bound() {
        let list = RawValue::from_string(r#"[ {"a":1}, null,"]" ]"#.to_owned()).unwrap();
        let texts: Vec<&str> = items(&list, 3).unwrap().into_iter().map(RawValue::get).collect();
        assert_eq!(texts, [r#"{"a":1}"#, "null", r#""]""#]);
        assert!(items(&list, 2).is_err());
        let no_list = RawValue::from_string("{}".to_owned()).unwrap();
        assert!(items(&no_list, 3).is_err());
    }

    #[test]
    fn depth_takes_no_stack() {
        let deep = format!(
            "{{\"orders\":[{}{}]}}",
            "[".repeat(1_000_000),
            "]".repeat(1_000_000)
        );
        let parts = members(deep.as_bytes()).unwrap();
        assert_eq!(items(parts["orders"], 1).unwrap().len(), 1);
    }
}
