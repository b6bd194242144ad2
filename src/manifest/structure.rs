//! The structural half of validation: unknown keys, required keys, types, enums and bounds, in the API server's words.

use serde_json::Value;

use super::Problem;

/// Adds what is wrong with `value` below `path` to `problems`.
pub(super) fn check(schema: &Value, value: &Value, path: &str, problems: &mut Vec<Problem>) {
    let mut report = |message: String| problems.push(Problem { field: path.to_owned(), message });
    let nullable = schema.get("nullable").and_then(Value::as_bool).unwrap_or(false);
    if value.is_null() && nullable {
        return;
    }
    let expected = schema.get("type").and_then(Value::as_str);
    if let Some(expected) = expected
        && !has_type(expected, value)
    {
        report(format!("Invalid value: must be of type {expected}, is {}", type_of(value)));
        return;
    }
    if let Some(allowed) = schema.get("enum").and_then(Value::as_array)
        && !allowed.contains(value)
    {
        let names: Vec<_> = allowed.iter().map(Value::to_string).collect();
        report(format!("Unsupported value: {value}: supported values: {}", names.join(", ")));
    }
    check_bounds(schema, value, path, &mut report);
    match value {
        Value::Object(map) => {
            let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
            for name in schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
            {
                if !map.contains_key(name) {
                    problems.push(Problem { field: join(path, name), message: "Required value".to_owned() });
                }
            }
            for (name, inner) in map {
                match properties.get(name) {
                    Some(inner_schema) => check(inner_schema, inner, &join(path, name), problems),
                    // apiVersion, kind and metadata are every object's; the schema does not list them.
                    None if path.is_empty() && matches!(name.as_str(), "apiVersion" | "kind" | "metadata") => {}
                    None => problems.push(Problem {
                        field: String::new(),
                        message: format!("unknown field \"{}\"{}", join(path, name), did_you_mean(name, properties)),
                    }),
                }
            }
        }
        Value::Array(items) => {
            if let Some(item_schema) = schema.get("items") {
                for (index, item) in items.iter().enumerate() {
                    check(item_schema, item, &format!("{path}[{index}]"), problems);
                }
            }
        }
        _ => {}
    }
}

fn check_bounds(schema: &Value, value: &Value, path: &str, report: &mut impl FnMut(String)) {
    let bound = |key: &str| schema.get(key).and_then(Value::as_f64);
    if let Some(number) = value.as_f64() {
        if let Some(minimum) = bound("minimum").filter(|m| number < *m) {
            report(format!("Invalid value: {value}: {path} in body should be greater than or equal to {minimum}"));
        }
        if let Some(maximum) = bound("maximum").filter(|m| number > *m) {
            report(format!("Invalid value: {value}: {path} in body should be less than or equal to {maximum}"));
        }
    }
    let size = match value {
        Value::String(s) => Some((s.chars().count(), "minLength", "maxLength", "characters long")),
        Value::Array(a) => Some((a.len(), "minItems", "maxItems", "items")),
        _ => None,
    };
    if let Some((size, least, most, unit)) = size {
        if let Some(bound) = bound(least).filter(|b| (size as f64) < *b) {
            report(format!("Invalid value: should have at least {bound} {unit}"));
        }
        if let Some(bound) = bound(most).filter(|b| (size as f64) > *b) {
            report(format!("Too long: may not be more than {bound} {unit}"));
        }
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn has_type(expected: &str, value: &Value) -> bool {
    match expected {
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        other => type_of(value) == other,
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// The known key that differs from the unknown one by case or by one slip, if there is one.
fn did_you_mean(name: &str, known: &serde_json::Map<String, Value>) -> String {
    let close = known.keys().find(|k| k.eq_ignore_ascii_case(name) || one_slip(k, name));
    close.map(|k| format!(" (did you mean \"{k}\"?)")).unwrap_or_default()
}

/// Whether one insertion, deletion or replacement turns `a` into `b`.
fn one_slip(a: &str, b: &str) -> bool {
    let (a, b): (Vec<_>, Vec<_>) = (a.chars().collect(), b.chars().collect());
    let same_start = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    let (a_rest, b_rest) = (&a[same_start..], &b[same_start..]);
    match (a_rest.len(), b_rest.len()) {
        (x, y) if x == y => x == 0 || a_rest[1..] == b_rest[1..],
        (x, y) if x == y + 1 => a_rest[1..] == *b_rest,
        (x, y) if y == x + 1 => *a_rest == b_rest[1..],
        _ => false,
    }
}
