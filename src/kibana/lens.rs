//! A chart as Lens keeps it: one layer of columns, and how they are drawn.

use serde_json::{Map, Value as Json, json};

use super::objects::{self, Installation, Reference};
use super::source::{By, Chart, Operation, Show, Value};
use super::{fields, kql};
use crate::documents::fields::Kind;

const LAYER: &str = "layer";

pub(super) fn object(id: &str, title: &str, chart: &Chart, installation: &Installation) -> Result<Json, String> {
    kql::check(&chart.filter)?;
    let (by, values) = (ids("by", chart.by.len()), ids("value", chart.values.len()));
    let mut columns = Map::new();
    for (id, by) in by.iter().zip(&chart.by) {
        columns.insert(id.clone(), bucket(by, chart, &values)?);
    }
    for (id, value) in values.iter().zip(&chart.values) {
        columns.insert(id.clone(), metric(value, chart)?);
    }
    let mut order: Vec<_> = by.iter().collect();
    if chart.show != Show::Table && chart.by.first().is_some_and(|by| is_time(by, chart)) {
        // The most frequent values of all times are wanted, not those of each moment.
        order.reverse();
    }
    order.extend(&values);
    let (kind, look) = look(chart, &by, &values)?;
    let layers = json!({ LAYER: { "columns": columns, "columnOrder": order, "incompleteColumns": {} } });
    let attributes = json!({
        "title": installation.title(title),
        "description": "",
        "visualizationType": kind,
        "state": {
            "datasourceStates": { "indexpattern": { "layers": layers } },
            "visualization": look,
            "query": objects::query(&chart.filter),
            "filters": [],
        },
    });
    let view = |name: String| Reference { name, type_: "index-pattern", id: installation.view_id(chart.view) };
    let references = vec![
        view("indexpattern-datasource-current-indexpattern".into()),
        view(format!("indexpattern-datasource-layer-{LAYER}")),
    ];
    Ok(objects::object("lens", id, attributes, references))
}

fn ids(of: &str, number: usize) -> Vec<String> {
    (0..number).map(|index| format!("{of}{index}")).collect()
}

fn is_time(by: &By, chart: &Chart) -> bool {
    fields::kind(chart.view, &by.field) == Ok(Kind::Date)
}

/// A column that splits. Values are ordered by what is counted first, or by name where that has no order.
fn bucket(by: &By, chart: &Chart, values: &[String]) -> Result<Json, String> {
    let kind = fields::kind(chart.view, &by.field)?;
    let mut column = json!({
        "label": by.title,
        "customLabel": true,
        "dataType": fields::data_type(kind),
        "sourceField": by.field,
        "isBucketed": true,
    });
    (column["operationType"], column["scale"], column["params"]) = match kind {
        Kind::Date => ("date_histogram".into(), "interval".into(), json!({ "interval": "auto" })),
        Kind::Text => return Err(format!("nothing can be split by {:?}: it is a text", by.field)),
        _ => {
            let counted = chart.values.iter().zip(values).find(|(value, _)| value.of != Operation::Last);
            let (order, direction) = match counted {
                Some((_, id)) if chart.show != Show::Table => (json!({ "type": "column", "columnId": id }), "desc"),
                _ => (json!({ "type": "alphabetical", "fallback": true }), "asc"),
            };
            let params = json!({
                "size": by.most, "orderBy": order, "orderDirection": direction, "otherBucket": false, "missingBucket": false,
            });
            ("terms".into(), "ordinal".into(), params)
        }
    };
    Ok(column)
}

/// A column that counts.
fn metric(value: &Value, chart: &Chart) -> Result<Json, String> {
    let kind = match (&value.field, value.of) {
        (None, Operation::Count) => Kind::Long,
        (Some(field), of) if of != Operation::Count => fields::kind(chart.view, field)?,
        _ => return Err(format!("value {:?}: a count has no field, and all else has one", value.title)),
    };
    let is_number = matches!(kind, Kind::Long | Kind::Double);
    if !is_number && value.of != Operation::Last {
        return Err(format!("value {:?}: {:?} of what is no number", value.title, value.of));
    }
    let operation = match value.of {
        Operation::Count => "count",
        Operation::Last => "last_value",
        Operation::Sum => "sum",
        Operation::Average => "average",
        Operation::Max => "max",
    };
    let scale = match kind {
        Kind::Date => "interval",
        _ if is_number => "ratio",
        _ => "ordinal",
    };
    let mut column = json!({
        "label": value.title,
        "customLabel": true,
        "dataType": fields::data_type(kind),
        "operationType": operation,
        // Kibana's name for documents themselves.
        "sourceField": value.field.as_deref().unwrap_or("Records"),
        "isBucketed": false,
        "scale": scale,
    });
    let mut filter = value.filter.clone();
    if let (Operation::Last, Some(field)) = (value.of, &value.field) {
        // Only a table can show several values at once.
        column["params"] = json!({ "sortField": "@timestamp", "showArrayValues": chart.show == Show::Table });
        if filter.is_empty() {
            filter = format!("{field} : *");
        }
    }
    if !filter.is_empty() {
        kql::check(&filter)?;
        column["filter"] = objects::query(&filter);
    }
    Ok(column)
}

/// The kind of visualization, and its state.
fn look(chart: &Chart, by: &[String], values: &[String]) -> Result<(&'static str, Json), String> {
    let series = match chart.show {
        Show::Number => {
            let ([], [value]) = (by, values) else { return Err("a number is one value of all documents".into()) };
            return Ok(("lnsMetric", json!({ "layerId": LAYER, "layerType": "data", "accessor": value })));
        }
        Show::Table => {
            let columns: Vec<_> = by.iter().chain(values).map(|id| json!({ "columnId": id })).collect();
            return Ok(("lnsDatatable", json!({ "layerId": LAYER, "layerType": "data", "columns": columns })));
        }
        Show::Bars => "bar_stacked",
        Show::Rows => "bar_horizontal_stacked",
        Show::Shares => "bar_horizontal_percentage_stacked",
        Show::Line | Show::Steps => "line",
    };
    let (Some(x), None) = (by.first(), by.get(2)) else {
        return Err("bars and lines have one or two things that they are split by".into());
    };
    let mut layer = json!({
        "layerId": LAYER, "layerType": "data", "seriesType": series, "xAccessor": x, "accessors": values,
        "position": "top", "showGridlines": false,
    });
    if let Some(split) = by.get(1) {
        layer["splitAccessor"] = split.as_str().into();
    }
    let mut state = json!({
        "preferredSeriesType": series,
        "legend": { "isVisible": true, "position": "right", "showSingleSeries": values.len() > 1 || by.len() > 1 },
        "valueLabels": "hide",
        "axisTitlesVisibilitySettings": { "x": false, "yLeft": false, "yRight": false },
        "layers": [layer],
    });
    match chart.show {
        // Between two points nothing happened.
        Show::Steps => (state["fittingFunction"], state["curveType"]) = ("Carry".into(), "LINEAR".into()),
        Show::Line => state["fittingFunction"] = "Linear".into(),
        _ => {}
    }
    Ok(("lnsXY", state))
}
