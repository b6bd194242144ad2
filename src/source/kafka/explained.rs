//! What librdkafka says: when it does not reach a broker, in a sentence with the remedy; of a setting, without its value.

use rdkafka::error::KafkaError;

/// An error that tells no value of a setting: librdkafka quotes what it refuses, be it a password. The setting is named.
pub(crate) fn discreet(error: KafkaError) -> KafkaError {
    match error {
        KafkaError::ClientConfig(code, why, key, _) => {
            KafkaError::ClientConfig(code, why, key, "a value that is not shown".to_owned())
        }
        error => error,
    }
}

/// A sentence for a reason that librdkafka gives; none for one that speaks for itself.
///
/// librdkafka has one code for many causes, so its English texts are what is left to tell them apart.
pub(crate) fn explained(reason: &str) -> Option<&'static str> {
    SENTENCES.iter().find(|(words, _)| words.iter().all(|word| reason.contains(word))).map(|(_, sentence)| *sentence)
}

/// The first whose words a reason all has.
const SENTENCES: &[(&[&str], &str)] = &[
    (
        &["certificate could not be verified"],
        "the broker's certificate is not from a CA that is trusted here, has expired, or is for another name: give the CA with \
         --kafka-ca-file, and call the broker by a name that its certificate has",
    ),
    (
        &["SSL handshake failed", "PLAINTEXT broker listener"],
        "this port of the broker has no TLS: give its TLS port, or say --kafka-security-protocol plaintext or sasl-plaintext",
    ),
    (
        &["SSL handshake failed", "wrong version number"],
        "this port of the broker has no TLS: give its TLS port, or say --kafka-security-protocol plaintext or sasl-plaintext",
    ),
    (
        &["connecting to a SSL listener"],
        "this port of the broker may want TLS: say --kafka-security-protocol ssl or sasl-ssl, or give its other port",
    ),
    (
        &["certificate required"],
        "the broker wants a certificate of ours: give --kafka-certificate-file and --kafka-key-file",
    ),
    // What a Java broker says of a client without a certificate.
    (
        &["alert bad certificate"],
        "the broker wants a certificate of ours, or takes the one that it got for bad: see --kafka-certificate-file and \
         --kafka-key-file",
    ),
    (
        &["alert", "unknown ca"],
        "the broker does not trust the CA of our certificate: give one of a CA that it trusts with --kafka-certificate-file",
    ),
    (
        &["mechanism handshake failed"],
        "the broker does not offer this way to log in: take one that it names for --kafka-sasl-mechanism",
    ),
    (
        &["SASL authentication error"],
        "the broker refused the user or the password: see --kafka-username and --kafka-password-file",
    ),
    (
        &["Failed to resolve"],
        "the broker's name cannot be resolved: see --kafka-brokers, and the names that the brokers advertise",
    ),
    (
        &["Connection refused"],
        "nobody listens at the broker's address: see --kafka-brokers, and what the brokers advertise",
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crate::replay::kafka::{Range, read};
    use crate::source::kafka::{KafkaConfig, KafkaSource};

    #[test]
    fn what_librdkafka_refuses_is_told_without_its_value() {
        let key = "sasl.oauthbearer.client.secret";
        let options = BTreeMap::from([(key.to_owned(), "CANARY".to_owned())]);
        let (brokers, topic) = ("b:1".to_owned(), "t".to_owned());
        let says = |refused: &dyn std::error::Error| {
            let said = format!("{} {refused:?}", crate::telemetry::error_chain(refused));
            assert!(said.contains(key) && !said.contains("CANARY"), "{said}");
        };
        let (topics, group) = (vec![topic.clone()], "g".to_owned());
        let config = KafkaConfig { brokers: brokers.clone(), topics, group, options: options.clone() };
        says(&KafkaSource::connect(&config).err().expect("this build has no OIDC"));
        let range = Range { brokers, topic, options, from: None, to: None };
        says(&read(&range, |_, _, _, _| {}).expect_err("this build has no OIDC"));
    }
}
