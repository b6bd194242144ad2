//! Files of the chart that are made from others. `HOPKEEPER_GENERATE=1` writes them.

use std::fs;
use std::path::{Path, PathBuf};

use hopkeeper::domain::ruleset::pack::SHIPPED;
use serde_json::Value;

use super::schemas::strict;
use super::tool::{chart, documents, root};

/// Compares a committed file with what it must be, or writes it.
pub fn hold(file: &Path, wanted: &str) {
    if std::env::var_os("HOPKEEPER_GENERATE").is_some() {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, wanted).unwrap();
    }
    let found = fs::read_to_string(file).unwrap_or_default();
    let shown = file.strip_prefix(root()).unwrap_or(file).display();
    let again = "HOPKEEPER_GENERATE=1 cargo test --test helm generated";
    assert!(found == wanted, "{shown} is not what it is made from; run: {again}");
}

fn copy(from: &str, to: &str) {
    hold(&chart().join(to), &fs::read_to_string(root().join(from)).unwrap_or_else(|e| panic!("{from}: {e}")));
}

#[test]
fn the_chart_has_the_crds_the_shipped_rules_and_the_filebeat_configurations() {
    copy("k8s/crd.yaml", "crds/crds.yaml");
    for (name, text) in SHIPPED {
        hold(&chart().join("files/rules").join(name), text);
    }
    let rules = fs::read_dir(chart().join("files/rules")).unwrap().count();
    assert_eq!(rules, SHIPPED.len(), "helm/hopkeeper/files/rules has files that are not shipped");
    for transport in ["kafka", "elasticsearch"] {
        copy(&format!("filebeat/filebeat-{transport}.yml"), &format!("files/filebeat/filebeat-{transport}.yml"));
    }
}

/// What JSON Schema knows of a CRD's schema.
fn plain(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            object.retain(|key, _| !key.starts_with("x-kubernetes") && key != "nullable" && key != "format");
            object.values_mut().for_each(plain);
        }
        Value::Array(items) => items.iter_mut().for_each(plain),
        _ => {}
    }
}

#[test]
fn the_values_schema_knows_a_chains_spec_as_the_crd_does() {
    let crd = documents(&fs::read_to_string(root().join("k8s/crd.yaml")).unwrap()).swap_remove(0);
    let mut spec = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"].clone();
    strict(&mut spec);
    plain(&mut spec);
    let file: PathBuf = chart().join("values.schema.json");
    let mut schema: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    schema["$defs"]["chainSpec"] = spec;
    hold(&file, &(serde_json::to_string_pretty(&schema).unwrap() + "\n"));
}
