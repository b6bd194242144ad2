//! The cluster that `helm template` and `helm lint` are told of, since they ask none.

/// Its version: the lab's.
pub const KUBERNETES: &str = "1.34.2";

/// What it knows with ECK and Strimzi, for `--api-versions`.
pub const KNOWN_KINDS: [&str; 4] = [
    "elasticsearch.k8s.elastic.co/v1/Elasticsearch",
    "kibana.k8s.elastic.co/v1/Kibana",
    "beat.k8s.elastic.co/v1beta1/Beat",
    "kafka.strimzi.io/v1/Kafka",
];

/// What it knows with a Strimzi before 0.49.
pub const OLDER_KINDS: [&str; 4] = [KNOWN_KINDS[0], KNOWN_KINDS[1], KNOWN_KINDS[2], "kafka.strimzi.io/v1beta2/Kafka"];
