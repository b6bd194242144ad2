//! From a panel's saved object to the question that Kibana asks Elasticsearch for it, and from the answer to a table.
//!
//! Faithful to Lens' data source but for two things that the lab's Elasticsearch or a short recording want otherwise: the last
//! value is asked by `top_hits` (Kibana before 8.2 and in tables; else by `top_metrics`, which is not part of the server itself),
//! and the automatic interval has a fiftieth of the range.

use hopkeeper::kibana::kql;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{inner, word};

/// One panel of a dashboard.
#[derive(Clone)]
pub(super) struct Panel {
    pub(super) title: String,
    /// Column, row, width, height.
    pub(super) place: [u64; 4],
    /// `lnsMetric`, `lnsDatatable`, the kind of bars, `line`, `steps`, or `search`.
    pub(super) look: String,
    attributes: Value,
    /// How the data view shows fields, and calls them.
    formats: Value,
    labels: Value,
}

/// A table: of a panel's buckets and what was counted in them, or of documents.
pub(super) struct Answer {
    /// The titles.
    pub(super) columns: Vec<String>,
    /// How the data view shows them: `duration`, `percent`, `url`, or nothing.
    pub(super) formats: Vec<String>,
    /// How many of the columns split.
    pub(super) keys: usize,
    pub(super) rows: Vec<Vec<Value>>,
}

impl Answer {
    pub(super) fn column(&self, title: &str) -> usize {
        self.columns.iter().position(|column| column == title).expect("should have such a column")
    }

    /// The row whose first column is that.
    pub(super) fn row(&self, key: &str) -> &[Value] {
        self.rows.iter().find(|row| row[0] == key).expect("should have such a row")
    }
}

/// Columns of a layer, with their ids.
type Columns<'p> = Vec<(&'p str, &'p Value)>;

impl Panel {
    pub(super) fn new(panel: &Value, object: &Value, view: &Value) -> Self {
        let attributes = object["attributes"].clone();
        let state = &attributes["state"]["visualization"];
        let look = match (&object["type"], state["preferredSeriesType"].as_str()) {
            (of, _) if of == "search" => "search".to_owned(),
            _ if state["fittingFunction"] == "Carry" => "steps".to_owned(),
            (_, Some(series)) => series.to_owned(),
            _ => word(&attributes["visualizationType"]),
        };
        let place = ["x", "y", "w", "h"].map(|side| panel["gridData"][side].as_u64().expect("should be a number"));
        let (formats, labels) =
            (inner(&view["attributes"]["fieldFormatMap"]), inner(&view["attributes"]["fieldAttrs"]));
        Self { title: word(&panel["title"]), place, look, attributes, formats, labels }
    }

    fn format(&self, field: &str) -> String {
        self.formats[field]["id"].as_str().unwrap_or_default().to_owned()
    }

    fn label(&self, field: &str) -> String {
        self.labels[field]["customLabel"].as_str().unwrap_or(field).to_owned()
    }

    fn layer(&self) -> &Value {
        let layers = &self.attributes["state"]["datasourceStates"]["indexpattern"]["layers"];
        layers.as_object().and_then(|layers| layers.values().next()).expect("should have a layer")
    }

    /// The columns that split, outermost first, and those that count; with their ids.
    fn columns(&self) -> (Columns<'_>, Columns<'_>) {
        let layer = self.layer();
        let order = layer["columnOrder"].as_array().expect("should be a list").iter();
        let columns = order.map(|id| id.as_str().expect("should be a text")).map(|id| (id, &layer["columns"][id]));
        columns.partition(|(_, column)| column["isBucketed"] == true)
    }

    /// What is asked, for a range of time and what stands in the dashboard's search bar.
    pub(super) fn question(&self, search: &str, from: Timestamp, to: Timestamp) -> Value {
        let state = match self.look.as_str() {
            "search" => inner(&self.attributes["kibanaSavedObjectMeta"]["searchSourceJSON"]),
            _ => self.attributes["state"].clone(),
        };
        let own = state["query"]["query"].as_str().expect("should be a text");
        let [own, search] = [own, search].map(|text| kql::to_query(text).expect("should be KQL"));
        let time = json!({ "range": { "@timestamp": { "gte": from.to_string(), "lte": to.to_string() } } });
        let query = json!({ "bool": { "filter": [own, search, time] } });
        if self.look == "search" {
            let sort = self.attributes["sort"].as_array().expect("should be a list").iter();
            let sort: Vec<_> =
                sort.map(|pair| json!({ pair[0].as_str().expect("should be a text"): pair[1] })).collect();
            let fields: Vec<_> = std::iter::once(&json!("@timestamp"))
                .chain(self.attributes["columns"].as_array().expect("should be a list"))
                .cloned()
                .collect();
            return json!({ "size": 500, "query": query, "sort": sort, "fields": fields, "_source": false });
        }
        let (by, values) = self.columns();
        let mut aggregations: Map<_, _> =
            values.iter().map(|(id, column)| ((*id).to_owned(), metric(column))).collect();
        for (id, column) in by.iter().rev() {
            let mut bucket = bucket(column, from, to);
            bucket["aggs"] = Value::Object(aggregations);
            aggregations = Map::from_iter([((*id).to_owned(), bucket)]);
        }
        json!({ "size": 0, "query": query, "track_total_hits": true, "aggs": aggregations })
    }

    /// The answer as a table; buckets in which nothing was counted are left out.
    pub(super) fn read(&self, answer: &Value) -> Answer {
        if self.look == "search" {
            let fields = self.attributes["columns"].as_array().expect("should be a list").iter().map(word);
            let columns: Vec<_> = std::iter::once("@timestamp".to_owned()).chain(fields).collect();
            let hits = answer["hits"]["hits"].as_array().expect("should be a list").iter();
            let rows =
                hits.map(|hit| columns.iter().map(|column| hit["fields"][column][0].clone()).collect()).collect();
            let formats = columns.iter().map(|column| self.format(column)).collect();
            let columns = columns.iter().map(|column| self.label(column)).collect();
            return Answer { columns, formats, keys: 1, rows };
        }
        let (by, values) = self.columns();
        let columns = by.iter().chain(&values).map(|(_, column)| word(&column["label"])).collect();
        let fields = by.iter().chain(&values).map(|(_, column)| word(&column["sourceField"]));
        let formats = fields.map(|field| self.format(&field)).collect();
        let mut rows = Vec::new();
        let all = json!({ "doc_count": answer["hits"]["total"]["value"] });
        let top = answer["aggregations"].as_object().cloned().unwrap_or_default();
        let whole = all.as_object().cloned().unwrap_or_default().into_iter().chain(top).collect();
        walk(&Value::Object(whole), &by, &values, &mut Vec::new(), &mut rows);
        Answer { columns, formats, keys: by.len(), rows }
    }
}

fn walk(
    bucket: &Value,
    by: &[(&str, &Value)],
    values: &[(&str, &Value)],
    keys: &mut Vec<Value>,
    rows: &mut Vec<Vec<Value>>,
) {
    let Some(((id, _), rest)) = by.split_first() else {
        if bucket["doc_count"] != 0 || keys.is_empty() {
            let counted = values.iter().map(|(id, column)| counted(&bucket[*id], bucket, column));
            rows.push(keys.iter().cloned().chain(counted).collect());
        }
        return;
    };
    for bucket in bucket[*id]["buckets"].as_array().into_iter().flatten() {
        keys.push(bucket.get("key_as_string").unwrap_or(&bucket["key"]).clone());
        walk(bucket, rest, values, keys, rows);
        keys.pop();
    }
}

/// What a metric's answer says; null where there was nothing to count.
fn counted(answer: &Value, bucket: &Value, column: &Value) -> Value {
    let inner = if column["filter"].is_object() { answer } else { bucket };
    let found = answer.get("of").unwrap_or(answer);
    match column["operationType"].as_str() {
        Some("count") => inner["doc_count"].clone(),
        Some("last_value") => {
            let field = column["sourceField"].as_str().expect("should be a text");
            found["hits"]["hits"][0]["fields"][field][0].clone()
        }
        // The sum of nothing is 0.
        _ => found["value"].clone(),
    }
}

fn bucket(column: &Value, from: Timestamp, to: Timestamp) -> Value {
    let (field, params) = (&column["sourceField"], &column["params"]);
    match column["operationType"].as_str().expect("should be a text") {
        "date_histogram" => {
            assert_eq!(params["interval"], "auto");
            let seconds = (to.duration_since(from).as_secs() / 50).max(1);
            json!({ "date_histogram": { "field": field, "fixed_interval": format!("{seconds}s"), "min_doc_count": 1 } })
        }
        "terms" => {
            let by = match params["orderBy"]["type"].as_str().expect("should be a text") {
                "alphabetical" => "_key".to_owned(),
                _ => match word(&params["orderBy"]["columnId"]) {
                    id if id == "value0" => "_count".to_owned(),
                    id => panic!("values are ordered by {id}, which is no count"),
                },
            };
            json!({ "terms": { "field": field, "size": params["size"], "order": { by: params["orderDirection"] } } })
        }
        other => panic!("nothing is known of {other}"),
    }
}

fn metric(column: &Value) -> Value {
    let field = &column["sourceField"];
    let metric = match column["operationType"].as_str().expect("should be a text") {
        // Of all documents of the bucket, or of the filter's.
        "count" => json!({ "value_count": { "field": "_index" } }),
        "average" => json!({ "avg": { "field": field } }),
        of @ ("sum" | "max") => json!({ of: { "field": field } }),
        "last_value" => json!({ "top_hits": {
            "size": 1, "_source": false, "fields": [field], "sort": [{ column["params"]["sortField"].as_str().expect("should be a text"): "desc" }],
        } }),
        other => panic!("nothing is known of {other}"),
    };
    match column["filter"]["query"].as_str() {
        Some(query) => json!({ "filter": kql::to_query(query).expect("should be KQL"), "aggs": { "of": metric } }),
        None => metric,
    }
}
