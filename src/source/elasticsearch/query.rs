//! What is asked for: the lines of hops' containers in a span of time, in an order without ties.

use jiff::Timestamp;
use serde_json::{Value, json};

/// The containers whose lines count; others' lines are not fetched.
const CONTAINERS: [&str; 2] = ["vpn", "health"];

/// Documents between two times, but for those of a gap.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    /// From here on.
    pub(crate) from: Option<Timestamp>,
    /// Before.
    pub(crate) to: Option<Timestamp>,
    /// And not in here: too young, so others that come before them may still be missing.
    pub(crate) young: Option<(Timestamp, Timestamp)>,
}

impl Span {
    /// The query.
    pub(crate) fn query(&self, field: &str) -> Value {
        let range = |from: Option<Timestamp>, to: Option<Timestamp>| {
            let mut bounds = json!({ "format": "strict_date_optional_time_nanos" });
            if let Some(from) = from {
                bounds["gte"] = stamp(from).into();
            }
            if let Some(to) = to {
                bounds["lt"] = stamp(to).into();
            }
            json!({ "range": { field: bounds } })
        };
        // A shipper without Kubernetes metadata names the container in the file's path only.
        let containers = json!({ "bool": { "minimum_should_match": 1, "should": [
            { "terms": { "kubernetes.container.name": CONTAINERS } },
            { "bool": { "must_not": { "exists": { "field": "kubernetes.container.name" } } } },
        ] } });
        let mut filter = vec![containers];
        if self.from.is_some() || self.to.is_some() {
            filter.push(range(self.from, self.to));
        }
        let young: Vec<Value> = self.young.iter().map(|(from, to)| range(Some(*from), Some(*to))).collect();
        json!({ "bool": { "filter": filter, "must_not": young } })
    }
}

/// A search's body; pages follow by the place of the last document.
pub(crate) fn search(query: &Value, field: &str, size: usize, after: Option<(i64, i64)>, with_source: bool) -> Value {
    // Nanoseconds, whatever each backing index maps the field as. `_shard_doc` breaks the ties: by the time alone,
    // documents of one millisecond would be skipped at the end of a page.
    let time = json!({ field: { "order": "asc", "numeric_type": "date_nanos", "unmapped_type": "date" } });
    let mut body = json!({ "size": size, "query": query, "sort": [time, "_shard_doc"], "_source": with_source });
    if let Some((time, doc)) = after {
        body["search_after"] = json!([time, doc]);
    }
    body
}

/// Nine digits: a bound must not be rounded.
fn stamp(time: Timestamp) -> String {
    format!("{time:.9}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_exact_and_ties_are_broken() {
        let time: Timestamp = "2026-11-22T16:25:43.824123456Z".parse().unwrap();
        let span = Span { from: Some(time), to: None, young: None };
        let query = span.query("@timestamp");
        assert_eq!(query["bool"]["filter"][1]["range"]["@timestamp"]["gte"], "2026-11-22T16:25:43.824123456Z");
        let body = search(&query, "@timestamp", 10, Some((1, 2)), true);
        assert_eq!(body["search_after"], json!([1, 2]));
        assert_eq!(body["sort"][1], "_shard_doc");
    }
}
