//! A span's attributes, by their names; what is not known is left out.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};

/// Attributes being made.
#[derive(Default)]
pub(super) struct Attributes(Vec<KeyValue>);

impl Attributes {
    pub(super) fn text(self, key: &str, value: impl Into<Option<String>>) -> Self {
        self.set(key, value.into().map(Value::StringValue))
    }

    pub(super) fn number(self, key: &str, value: Option<usize>) -> Self {
        self.set(key, value.and_then(|value| i64::try_from(value).ok()).map(Value::IntValue))
    }

    fn set(mut self, key: &str, value: Option<Value>) -> Self {
        let attribute = |value| KeyValue {
            key: key.to_owned(),
            value: Some(AnyValue { value: Some(value) }),
            ..KeyValue::default()
        };
        self.0.extend(value.map(attribute));
        self
    }

    pub(super) fn done(self) -> Vec<KeyValue> {
        self.0
    }
}
