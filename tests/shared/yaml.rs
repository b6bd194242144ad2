//! YAML texts of several documents, as helm and kubectl write them.

use serde_json::Value;

/// The documents that hold something.
pub fn documents(text: &str) -> Vec<Value> {
    let mut documents: Vec<Value> = serde_saphyr::from_multiple(text).expect("it should be YAML");
    documents.retain(|document| !document.is_null());
    documents
}
