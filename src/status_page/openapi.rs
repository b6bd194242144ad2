//! The API's description: OpenAPI 3.1, its schemas made from the types that answer. docs/openapi.json is a copy.

use schemars::generate::SchemaSettings;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::api::{Filter, Incidents, ProblemDetails};
use super::snapshot::Operator;
use crate::overview::{ChainOverview, Overview, Story};

/// The document that `/api/v1/openapi.json` serves.
#[must_use]
pub fn document() -> Value {
    let mut settings = SchemaSettings::draft2020_12().for_serialize();
    settings.definitions_path = "/components/schemas".into();
    settings.meta_schema = None;
    let mut schemas = settings.into_generator();
    let namespace = path_parameter("namespace", "The namespace.");
    let paths = json!({
        "/api/v1/operator": get("operator", "The replica that answers, which one leads, and whether what it shows may be old", &[],
            schemas.subschema_for::<Operator>(), &[], &mut schemas),
        "/api/v1/chains": get("chains", "All chains with their hops and incidents: what `hopkeeper status -A -o json` prints", &[],
            schemas.subschema_for::<Overview>(), &[503], &mut schemas),
        "/api/v1/chains/{namespace}/{name}": get("chain", "One chain: what `hopkeeper status NAME -o json` prints",
            &[namespace.clone(), path_parameter("name", "The chain's name.")],
            schemas.subschema_for::<ChainOverview>(), &[404, 503], &mut schemas),
        "/api/v1/incidents": get("incidents", "Incidents of all chains, the newest first", &query_parameters(),
            schemas.subschema_for::<Incidents<'_>>(), &[400, 503], &mut schemas),
        "/api/v1/incidents/{namespace}/{id}": get("incident", "One incident: what `hopkeeper explain-incident ID -o json` prints",
            &[namespace, path_parameter("id", "The incident's name.")],
            schemas.subschema_for::<Story>(), &[404, 503], &mut schemas),
    });
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Hopkeeper",
            "version": "v1",
            "summary": "Chains, hops and incidents, as the operator sees them. Read-only.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "paths": paths,
        "components": { "schemas": schemas.take_definitions(true) },
    })
}

fn get(
    operation: &str,
    summary: &str,
    parameters: &[Value],
    answer: Schema,
    refusals: &[u16],
    schemas: &mut SchemaGenerator,
) -> Value {
    let mut responses = Map::new();
    responses.insert("200".into(), response("It is there.", "application/json", &answer));
    for status in refusals {
        let meaning = match status {
            400 => "The query says something that is not understood.",
            404 => "There is no such thing.",
            _ => "The operator has just started and has not listed everything yet: ask again.",
        };
        let problem = schemas.subschema_for::<ProblemDetails>();
        responses.insert(status.to_string(), response(meaning, "application/problem+json", &problem));
    }
    json!({ "get": { "operationId": operation, "summary": summary, "parameters": parameters, "responses": responses } })
}

fn response(description: &str, media_type: &str, schema: &Schema) -> Value {
    json!({ "description": description, "content": { media_type: { "schema": schema } } })
}

fn path_parameter(name: &str, description: &str) -> Value {
    json!({ "name": name, "in": "path", "required": true, "description": description, "schema": { "type": "string" } })
}

/// Each field of the filter, as a parameter.
fn query_parameters() -> Vec<Value> {
    let filter = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<Filter>();
    let fields = filter.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
    let parameter = |(name, mut schema): (String, Value)| {
        let description = schema.as_object_mut().and_then(|schema| schema.remove("description"));
        // What may be left out is left out: a query has no null.
        if let Some(types) = schema["type"].as_array() {
            schema["type"] = types.iter().find(|type_| *type_ != "null").cloned().unwrap_or_default();
        }
        json!({ "name": name, "in": "query", "description": description, "schema": schema })
    };
    fields.into_iter().map(parameter).collect()
}
