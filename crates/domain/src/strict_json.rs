//! JSON as it is meant, and nothing looser.
//!
//! `serde_json` alone would let the last of two equal keys win, so that a text could say two things at once. It
//! refuses by itself what is not UTF-8, numbers too large for a double, and nesting deeper than 128.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::map::Entry;
use serde_json::{Map, Number, Value};

/// Reads one JSON text to its end. Small values take many times their text in memory, so their number is bounded.
///
/// # Errors
/// When it is not JSON, could be read in two ways, or has more than `values_max` values.
pub fn parse(text: &[u8], values_max: u32) -> Result<Value, serde_json::Error> {
    let values_left = Cell::new(values_max);
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let value = Strict {
        values_left: &values_left,
    }
    .deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

#[derive(Clone, Copy)]
struct Strict<'a> {
    values_left: &'a Cell<u32>,
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        let left = self.values_left.get().checked_sub(1);
        self.values_left
            .set(left.ok_or_else(|| D::Error::custom("too many values"))?);
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        let number = Number::from_f64(value).map(Value::Number);
        number.ok_or_else(|| E::custom("a number that is not finite"))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = items.next_element_seed(self)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            match map.entry(key) {
                Entry::Vacant(place) => {
                    place.insert(entries.next_value_seed(self)?);
                }
                Entry::Occupied(place) => {
                    let key: String = place.key().chars().take(40).collect();
                    let message = format_args!("the key {key:?} stands twice in one object");
                    return Err(A::Error::custom(message));
                }
            }
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUES_MAX: u32 = 1_000;

    #[test]
    fn what_a_writer_writes_is_read_as_it_is() {
        let text = r#" {"a": [1, -2, 3.5, 1e2, null, true, "\u0000ł"], "b": {"a": {}}} "#;
        let read = parse(text.as_bytes(), VALUES_MAX).unwrap();
        assert_eq!(read, serde_json::from_str::<Value>(text).unwrap());
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        let deep = "[".repeat(100_000);
        let bad: [&[u8]; 13] = [
            b"",
            b" ",
            b"{",
            b"{} {}",
            b"{\"a\":1,\"a\":1}",
            b"[{\"b\":{\"a\":1,\"a\":2}}]",
            b"[1e400]",
            b"nan",
            b"\"\xff\"",
            b"\"\\ud800\"",
            b"{a:1}",
            b"[1,]",
            deep.as_bytes(),
        ];
        for text in bad {
            let shown = String::from_utf8_lossy(&text[..text.len().min(40)]).into_owned();
            assert!(parse(text, VALUES_MAX).is_err(), "{shown:?}");
        }
    }

    #[test]
    fn a_text_of_too_many_values_is_refused() {
        let text = format!("[{}1]", "1,".repeat(VALUES_MAX as usize));
        assert!(parse(text.as_bytes(), VALUES_MAX).is_err());
    }
}
