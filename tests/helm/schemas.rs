//! JSON schemas for kubeconform, strict ones, made from what projects publish: Kubernetes' OpenAPI and the CRDs.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde_json::{Map, Value, json};

use super::tool::{documents, lab, root};

/// The directory with one file a kind, made once a test run.
pub fn directory() -> &'static Path {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    MADE.get_or_init(|| {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("chart-schemas");
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(&directory).unwrap();
        kubernetes(&directory);
        let published =
            ["eck.yaml", "strimzi.yaml", "servicemonitors.yaml", "podmonitors.yaml", "prometheusrules.yaml"];
        let published = published.map(|file| lab().join("schemas").join(file));
        let ours = [root().join("k8s/crd.yaml"), root().join("tests/lab/manifests/multus.yaml")];
        for file in published.iter().chain(&ours) {
            custom(&directory, file);
        }
        directory
    })
}

fn write(directory: &Path, kind: &str, group: &str, version: &str, schema: &Value) {
    // kubeconform's own way to name them: the group's first part.
    let group = group.split('.').next().unwrap_or_default();
    let name = [kind, group, version].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-");
    fs::write(directory.join(name.to_lowercase() + ".json"), schema.to_string()).unwrap();
}

fn kubernetes(directory: &Path) {
    let text = fs::read_to_string(lab().join("schemas/kubernetes.json")).expect("tests/helm/tools.sh should have run");
    let swagger: Value = serde_json::from_str(&text).unwrap();
    let mut definitions = swagger["definitions"].clone();
    for (name, definition) in definitions.as_object_mut().unwrap() {
        if name.ends_with("intstr.IntOrString") || name.ends_with("resource.Quantity") {
            *definition = json!({"type": ["string", "number"]});
        }
        strict(definition);
    }
    for (name, definition) in definitions.as_object().unwrap() {
        for kind in definition["x-kubernetes-group-version-kind"].as_array().into_iter().flatten() {
            let part = |key: &str| kind[key].as_str().unwrap_or_default();
            let schema = json!({"$ref": format!("_definitions.json#/definitions/{name}")});
            write(directory, part("kind"), part("group"), part("version"), &schema);
        }
    }
    fs::write(directory.join("_definitions.json"), json!({"definitions": definitions}).to_string()).unwrap();
}

fn custom(directory: &Path, file: &Path) {
    let text = fs::read_to_string(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    for crd in documents(&text).into_iter().filter(|object| object["kind"] == "CustomResourceDefinition") {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        for version in crd["spec"]["versions"].as_array().unwrap() {
            let mut schema = version["schema"]["openAPIV3Schema"].clone();
            for part in ["apiVersion", "kind"] {
                schema["properties"][part] = json!({"type": "string"});
            }
            schema["properties"]["metadata"] = json!({"type": "object"});
            strict(&mut schema);
            let (kind, group) = (text(&crd["spec"]["names"]["kind"]), text(&crd["spec"]["group"]));
            write(directory, &kind, &group, &text(&version["name"]), &schema);
        }
    }
}

/// No property but those named, at every depth, as with the API server's strict field validation.
pub fn strict(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            close(object);
            object.values_mut().for_each(strict);
        }
        Value::Array(items) => items.iter_mut().for_each(strict),
        _ => {}
    }
}

fn close(object: &mut Map<String, Value>) {
    let open =
        object.contains_key("additionalProperties") || object.contains_key("x-kubernetes-preserve-unknown-fields");
    // `properties` may also be the name of a property.
    if !open
        && object.get("type").is_some_and(|t| t == "object")
        && object.get("properties").is_some_and(Value::is_object)
    {
        object.insert("additionalProperties".into(), false.into());
    }
}
