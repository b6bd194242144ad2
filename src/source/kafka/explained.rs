//! What librdkafka says when it does not reach a broker, in a sentence with the remedy.

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
