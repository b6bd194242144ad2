//! The part of Kibana's query language that dashboards.yaml uses, and the query that Kibana makes of it for Elasticsearch:
//! `field : value`, `field : *`, comparisons, `and`, `or`, `not`, brackets.

use serde_json::{Value, json};

/// A query in KQL as Elasticsearch's; an empty one is met by all documents.
///
/// # Errors
/// When it is not of that part; the place is named.
pub fn to_query(text: &str) -> Result<Value, String> {
    let mut words = Words { rest: text.trim() };
    if words.rest.is_empty() {
        return Ok(json!({ "match_all": {} }));
    }
    let query = words.any()?;
    if words.rest.is_empty() { Ok(query) } else { Err(words.wrong("and, or, or the end")) }
}

/// Whether it can be read.
pub(super) fn check(text: &str) -> Result<(), String> {
    to_query(text).map(|_| ())
}

struct Words<'a> {
    rest: &'a str,
}

impl<'a> Words<'a> {
    fn wrong(&self, wanted: &str) -> String {
        format!("KQL: {wanted} should be where {:?} is", self.rest)
    }

    /// Takes a sign.
    fn sign(&mut self, sign: &str) -> bool {
        let taken = self.rest.strip_prefix(sign);
        self.rest = taken.unwrap_or(self.rest).trim_start();
        taken.is_some()
    }

    /// Takes a word that is not part of a longer one.
    fn keyword(&mut self, word: &str) -> bool {
        let end = self.rest.find(|c: char| c.is_whitespace() || c == '(').unwrap_or(self.rest.len());
        let found = self.rest[..end].eq_ignore_ascii_case(word);
        if found {
            self.rest = self.rest[end..].trim_start();
        }
        found
    }

    fn any(&mut self) -> Result<Value, String> {
        let mut parts = vec![self.all()?];
        while self.keyword("or") {
            parts.push(self.all()?);
        }
        Ok(match <[Value; 1]>::try_from(parts) {
            Ok([only]) => only,
            Err(parts) => json!({ "bool": { "should": parts, "minimum_should_match": 1 } }),
        })
    }

    fn all(&mut self) -> Result<Value, String> {
        let mut parts = vec![self.one()?];
        while self.keyword("and") {
            parts.push(self.one()?);
        }
        Ok(match <[Value; 1]>::try_from(parts) {
            Ok([only]) => only,
            Err(parts) => json!({ "bool": { "filter": parts } }),
        })
    }

    fn one(&mut self) -> Result<Value, String> {
        if self.keyword("not") {
            return Ok(json!({ "bool": { "must_not": self.one()? } }));
        }
        if self.sign("(") {
            let inner = self.any()?;
            return if self.sign(")") { Ok(inner) } else { Err(self.wrong("a closing bracket")) };
        }
        let field = self.word()?;
        for (sign, name) in [("<=", "lte"), (">=", "gte"), ("<", "lt"), (">", "gt")] {
            if self.sign(sign) {
                let value = self.word()?;
                return Ok(should(json!({ "range": { field: { name: value } } })));
            }
        }
        if !self.sign(":") {
            return Err(self.wrong("':' or a comparison"));
        }
        if self.sign("*") {
            return Ok(should(json!({ "exists": { "field": field } })));
        }
        let phrase = if self.rest.starts_with('"') { "match_phrase" } else { "match" };
        let value = self.word()?;
        Ok(should(json!({ phrase: { field: value } })))
    }

    /// A field or a value; in quotes it may hold anything but a quote.
    fn word(&mut self) -> Result<&'a str, String> {
        if let Some(quoted) = self.rest.strip_prefix('"') {
            let (word, rest) = quoted.split_once('"').ok_or_else(|| self.wrong("a text with a closing quote"))?;
            self.rest = rest.trim_start();
            return Ok(word);
        }
        let end = self.rest.find(|c: char| c.is_whitespace() || "():<>\"*".contains(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        if word.is_empty() || ["and", "or", "not"].iter().any(|key| word.eq_ignore_ascii_case(key)) {
            return Err(self.wrong("a word"));
        }
        self.rest = rest.trim_start();
        Ok(word)
    }
}

/// Kibana wraps each comparison so.
fn should(query: Value) -> Value {
    json!({ "bool": { "should": [query], "minimum_should_match": 1 } })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is(field: &str, value: &str) -> Value {
        should(json!({ "match": { field: value } }))
    }

    #[test]
    fn queries_are_what_kibana_makes_of_them() {
        let not = |query: Value| json!({ "bool": { "must_not": query } });
        let all = |parts: Value| json!({ "bool": { "filter": parts } });
        let any = |parts: Value| json!({ "bool": { "should": parts, "minimum_should_match": 1 } });
        for (text, query) in [
            ("", json!({ "match_all": {} })),
            ("a.b : c-d", is("a.b", "c-d")),
            ("a:true", is("a", "true")),
            ("@timestamp : *", should(json!({ "exists": { "field": "@timestamp" } }))),
            ("a : \"b c\"", should(json!({ "match_phrase": { "a": "b c" } }))),
            (
                "a >= 3 and b < now-2m",
                all(json!([
                    should(json!({ "range": { "a": { "gte": "3" } } })),
                    should(json!({ "range": { "b": { "lt": "now-2m" } } })),
                ])),
            ),
            ("a : 1 or b : 2 and not c : 3", any(json!([is("a", "1"), all(json!([is("b", "2"), not(is("c", "3"))]))]))),
            (
                "(a : 1 or b : 2) and not(c : 3)",
                all(json!([any(json!([is("a", "1"), is("b", "2")])), not(is("c", "3")),])),
            ),
            ("android : order", is("android", "order")),
        ] {
            assert_eq!(to_query(text).unwrap(), query, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for (text, expected) in [
            ("a", "':' or a comparison"),
            ("a :", "a word"),
            ("a : b c", "the end"),
            ("a : b and", "a word"),
            ("(a : b", "closing bracket"),
            ("a : \"b", "closing quote"),
            ("a : b*", "the end"),
            ("or : b", "a word"),
        ] {
            let refused = to_query(text).unwrap_err();
            assert!(refused.contains(expected), "{text}: {refused}");
        }
    }
}
