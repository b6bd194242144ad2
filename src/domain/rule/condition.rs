//! A condition on one field of a health line: `state: stalled`, `rx_age_seconds: '>= 15'`.

use serde_json::{Map, Value};

/// What a field must be.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    field: String,
    test: Test,
}

#[derive(Clone, Debug, PartialEq)]
enum Test {
    Is(Value),
    IsNot(Value),
    Number(Order, f64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Condition {
    /// Reads `wanted` as written in a rule file: a number, a truth value or a word to equal, or text that begins with
    /// `==`, `!=`, `<`, `<=`, `>` or `>=`.
    ///
    /// # Errors
    /// A sentence that says what to write instead.
    pub fn parse(field: &str, wanted: &Value) -> Result<Self, String> {
        let test = match wanted {
            Value::String(text) => Self::parse_text(text.trim())?,
            Value::Number(_) | Value::Bool(_) => Test::Is(wanted.clone()),
            _ => {
                return Err(format!(
                    "the condition on \"{field}\" must be a word, a number, true, false, or such as '>= 15'"
                ));
            }
        };
        Ok(Self { field: field.to_owned(), test })
    }

    fn parse_text(text: &str) -> Result<Test, String> {
        let orders =
            [(">=", Order::GreaterOrEqual), ("<=", Order::LessOrEqual), (">", Order::Greater), ("<", Order::Less)];
        if let Some(rest) = text.strip_prefix("!=") {
            return Ok(Test::IsNot(scalar(rest.trim())));
        }
        if let Some(rest) = text.strip_prefix("==") {
            return Ok(Test::Is(scalar(rest.trim())));
        }
        for (sign, order) in orders {
            if let Some(rest) = text.strip_prefix(sign) {
                let number = rest.trim().parse().map_err(|_| format!("\"{text}\" needs a number after {sign}"))?;
                return Ok(Test::Number(order, number));
            }
        }
        Ok(Test::Is(Value::String(text.to_owned())))
    }

    /// True when the field is there and is as wanted.
    pub fn holds(&self, fields: &Map<String, Value>) -> bool {
        let Some(value) = fields.get(&self.field) else { return false };
        match &self.test {
            Test::Is(wanted) => equal(value, wanted),
            Test::IsNot(unwanted) => !equal(value, unwanted),
            Test::Number(order, bound) => value.as_f64().is_some_and(|number| match order {
                Order::Less => number < *bound,
                Order::LessOrEqual => number <= *bound,
                Order::Greater => number > *bound,
                Order::GreaterOrEqual => number >= *bound,
            }),
        }
    }
}

fn scalar(text: &str) -> Value {
    match text {
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        _ => serde_json::from_str::<serde_json::Number>(text).map_or_else(|_| Value::from(text), Value::Number),
    }
}

/// `15` equals `15.0`.
fn equal(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a == b,
        _ => a == b,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn conditions_hold_as_written() {
        let line = json!({"state": "stalled", "rx_age_seconds": 15, "carrier": 1, "ok": true});
        let fields = line.as_object().expect("should be an object");
        for (field, wanted, holds) in [
            ("state", json!("stalled"), true),
            ("state", json!("up"), false),
            ("state", json!("!= up"), true),
            ("state", json!("== stalled"), true),
            ("carrier", json!(1), true),
            ("carrier", json!(1.0), true),
            ("carrier", json!("== 1"), true),
            ("carrier", json!("!= 1"), false),
            ("ok", json!(true), true),
            ("rx_age_seconds", json!(">= 15"), true),
            ("rx_age_seconds", json!("> 15"), false),
            ("rx_age_seconds", json!("<15.5"), true),
            ("rx_age_seconds", json!("<= 14"), false),
            ("state", json!("> 1"), false),
            ("missing", json!("!= 1"), false),
        ] {
            let condition = Condition::parse(field, &wanted).expect("should parse");
            assert_eq!(condition.holds(fields), holds, "{field}: {wanted}");
        }
    }

    #[test]
    fn a_comparison_needs_a_number() {
        assert!(Condition::parse("a", &json!(">= soon")).is_err());
        assert!(Condition::parse("a", &json!([1])).is_err());
    }
}
