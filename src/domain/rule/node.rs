//! A rule file as a tree of values, each with its place, so that every mistake in a file can be told in one go.
//!
//! Leaves what the values mean to `file`. Bounded: depth, aliases and anchors can't make a small file large.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Number;
use serde_saphyr::options::{DuplicateKeyPolicy, MergeKeyPolicy};
use serde_saphyr::{Location, Spanned};

use super::error::Place;

/// A rule file nests five levels deep; more is a mistake or an attack.
const MAX_DEPTH: usize = 24;
/// What aliases may repeat in all: a pattern or a sample used twice, not a bomb.
const MAX_REPEATED: usize = 10_000;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) value: Value,
}

/// What a value is, by YAML's own reading of it.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Node>),
    /// In the order of the file; a key may be there twice.
    Map(Vec<(Key, Node)>),
}

/// A key and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) place: Place,
    pub(super) text: String,
}

impl Node {
    /// Reads YAML.
    ///
    /// # Errors
    /// The place where it can't be read, and why.
    pub(super) fn read(source: &str) -> Result<Self, (Place, String)> {
        let options = serde_saphyr::options! {
            budget: serde_saphyr::budget! { max_depth: MAX_DEPTH, max_documents: 1 },
            alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: MAX_REPEATED },
            duplicate_keys: DuplicateKeyPolicy::PassThrough,
            merge_keys: MergeKeyPolicy::AsOrdinary,
            with_snippet: false,
        };
        serde_saphyr::from_str_with_options(source, options).map_err(|error| {
            let message = error.without_snippet().to_string();
            // The place is shown in front already.
            let message = message.split(" at line ").next().unwrap_or_default().trim_end_matches(" at").to_owned();
            (place(&error.location().unwrap_or(Location::UNKNOWN)), message)
        })
    }
}

impl Value {
    /// What it is, for people.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "true or false",
            Self::Number(_) => "a number",
            Self::Text(_) => "text",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Value>::deserialize(deserializer)?;
        let mut place = place(&spanned.referenced);
        // A collection's span is its first sign only.
        if matches!(spanned.value, Value::List(_) | Value::Map(_)) {
            place.width = 0;
        }
        Ok(Self { place, value: spanned.value })
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or_else(|| Value::Text(value.to_string()), Value::Number))
    }

    fn visit_i128<E: serde::de::Error>(self, value: i128) -> Result<Value, E> {
        Ok(Value::Text(value.to_string()))
    }

    fn visit_u128<E: serde::de::Error>(self, value: u128) -> Result<Value, E> {
        Ok(Value::Text(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Vec::new();
        while let Some(key) = entries.next_key::<Spanned<String>>()? {
            let key = Key { place: place(&key.referenced), text: key.value };
            map.push((key, entries.next_value()?));
        }
        Ok(Value::Map(map))
    }
}

fn place(location: &Location) -> Place {
    let from_one = |number: u64| usize::try_from(number).unwrap_or(usize::MAX).max(1);
    let width = usize::try_from(location.span().len()).unwrap_or(0);
    Place { line: from_one(location.line()), column: from_one(location.column()), width }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_has_its_place() {
        let source = "a: 1\nb:\n  - 'x'' y'\n  - { c: true, c: ~ }\nd: |-\n  text\n  more\n";
        let Value::Map(map) = Node::read(source).expect("should be YAML").value else { panic!("should be a map") };
        let places: Vec<_> = map.iter().map(|(k, n)| (k.text.as_str(), k.place, n.place)).collect();
        let at = |line, column, width| Place { line, column, width };
        assert_eq!(places[0], ("a", at(1, 1, 1), at(1, 4, 1)));
        assert_eq!(places[1].1, at(2, 1, 1));
        assert_eq!((places[2].0, places[2].2.line, places[2].2.column), ("d", 6, 3), "a block value is its text");
        let Value::List(list) = &map[1].1.value else { panic!("should be a list") };
        assert_eq!(list[0].place, at(3, 5, 7));
        let Value::Map(inner) = &list[1].value else { panic!("should be a map") };
        assert_eq!(inner.iter().map(|(k, _)| k.place.column).collect::<Vec<_>>(), [7, 16]);
        assert!(matches!(inner[1].1.value, Value::Null));
    }
}
