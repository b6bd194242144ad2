//! What a cluster with ECK and Strimzi knows, to helm's eyes.

/// For `helm template --api-versions`.
pub const KNOWN_KINDS: [&str; 4] = [
    "elasticsearch.k8s.elastic.co/v1/Elasticsearch",
    "kibana.k8s.elastic.co/v1/Kibana",
    "beat.k8s.elastic.co/v1beta1/Beat",
    "kafka.strimzi.io/v1/Kafka",
];
