//! A condition on one field of a health line, or on one named group of a pattern: `state: stalled`,
//! `rx_age_seconds: '>= 15'`.

use std::fmt;

use serde_json::{Map, Value};

/// What a field or group must be.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    field: String,
    test: Test,
    of_group: bool,
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
        Ok(Self { field: field.to_owned(), test, of_group: false })
    }

    /// The same, on what the pattern's group of that name took of the line.
    #[must_use]
    pub fn on_group(self) -> Self {
        Self { of_group: true, ..self }
    }

    /// True when it reads a group of the pattern.
    pub fn is_on_group(&self) -> bool {
        self.of_group
    }

    /// The field's or group's name.
    pub fn field(&self) -> &str {
        &self.field
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
                let number: Option<f64> = rest.trim().parse().ok();
                return match number.filter(|number| number.is_finite()) {
                    Some(number) => Ok(Test::Number(order, number)),
                    None => Err(format!("\"{text}\" needs a number after {sign}, such as '{sign} 15'")),
                };
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
            Test::Number(order, bound) => value.as_f64().is_some_and(|number| order.holds(number, *bound)),
        }
    }

    /// True when what a group took is as wanted: read as a number where a number is wanted, as it stands else.
    pub fn holds_for(&self, text: &str) -> bool {
        let is = |wanted: &Value| match wanted {
            Value::String(wanted) => text == wanted,
            Value::Number(wanted) => {
                text.trim().parse().ok().zip(wanted.as_f64()).is_some_and(|(a, b): (f64, f64)| a == b)
            }
            Value::Bool(wanted) => text == if *wanted { "true" } else { "false" },
            _ => false,
        };
        match &self.test {
            Test::Is(wanted) => is(wanted),
            Test::IsNot(unwanted) => !is(unwanted),
            Test::Number(order, bound) => text.trim().parse().is_ok_and(|number: f64| order.holds(number, *bound)),
        }
    }
}

impl Order {
    fn holds(self, number: f64, bound: f64) -> bool {
        match self {
            Self::Less => number < bound,
            Self::LessOrEqual => number <= bound,
            Self::Greater => number > bound,
            Self::GreaterOrEqual => number >= bound,
        }
    }
}

/// As it is written: `rx_age_seconds >= 15`.
impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bare = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        match &self.test {
            Test::Is(wanted) => write!(f, "{} == {}", self.field, bare(wanted)),
            Test::IsNot(unwanted) => write!(f, "{} != {}", self.field, bare(unwanted)),
            Test::Number(order, bound) => {
                let sign = match order {
                    Order::Less => "<",
                    Order::LessOrEqual => "<=",
                    Order::Greater => ">",
                    Order::GreaterOrEqual => ">=",
                };
                write!(f, "{} {sign} {bound}", self.field)
            }
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

/// `15` equals `15.0`, and so does what is written `'15'` where the field is a number: quotes in YAML are not meant.
fn equal(value: &Value, wanted: &Value) -> bool {
    let number = |wanted: &Value| match wanted {
        Value::String(text) => scalar(text).as_f64(),
        wanted => wanted.as_f64(),
    };
    match (value, wanted) {
        (Value::Number(value), wanted) => value.as_f64().is_some_and(|value| number(wanted) == Some(value)),
        (Value::Bool(_), Value::String(text)) => *value == scalar(text),
        _ => value == wanted,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn conditions_hold_as_written() {
        let line =
            json!({"state": "stalled", "rx_age_seconds": 15, "carrier": 1, "ok": true, "id": "007", "word": "15"});
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
            ("carrier", json!("1"), true),
            ("carrier", json!(" 1.0 "), true),
            ("carrier", json!("0"), false),
            ("carrier", json!("up"), false),
            ("ok", json!("true"), true),
            ("id", json!("007"), true),
            ("id", json!("7"), false),
            ("word", json!("15"), true),
        ] {
            let condition = Condition::parse(field, &wanted).expect("should parse");
            assert_eq!(condition.holds(fields), holds, "{field}: {wanted}");
        }
    }

    #[test]
    fn what_a_group_took_is_read_as_the_condition_wants() {
        for (text, wanted, holds) in [
            ("15", json!(">= 15"), true),
            ("15.0", json!(15), true),
            ("14", json!(">= 15"), false),
            ("-3", json!("< 0"), true),
            ("many", json!("> 1"), false),
            ("TEMP", json!("TEMP"), true),
            ("TEMP", json!("!= SESSION"), true),
            ("007", json!("007"), true),
            ("7", json!("007"), false),
            ("true", json!(true), true),
        ] {
            let condition = Condition::parse("a", &wanted).expect("should parse");
            assert_eq!(condition.holds_for(text), holds, "{text}: {wanted}");
        }
        assert_eq!(Condition::parse("a", &json!(">=15")).expect("should parse").to_string(), "a >= 15");
    }

    #[test]
    fn a_comparison_needs_a_number() {
        for wrong in [">= soon", ">= inf", "< NaN", ">"] {
            assert!(Condition::parse("a", &json!(wrong)).is_err(), "{wrong}");
        }
        assert!(Condition::parse("a", &json!([1])).is_err());
    }
}
