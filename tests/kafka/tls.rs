//! Kafka with TLS, on the lab's listeners for it: a user by SCRAM and PLAIN, a client's certificate, and what is said
//! of each wrong setting. Both ways in: the operator's source, and `hopkeeper replay`.

use std::process::Command;
use std::time::Duration;

use clap::Parser;
use hopkeeper::config::log_source::KafkaArgs;
use hopkeeper::source::kafka::KafkaSource;
use hopkeeper::source::{Payload, Record, Source};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::harness::{Lab, line};
use super::lab_dir::lab_dir;
use super::running::EXPIRED;

const LOGIN: &str = "127.0.0.1:9095";
const CERTIFICATE: &str = "127.0.0.1:9096";

/// A file of the lab's Kafka.
fn file(name: &str) -> String {
    lab_dir().join("kafka/tls").join(name).to_string_lossy().into_owned()
}

fn login(mechanism: &str) -> Vec<String> {
    let ca = file("ca.crt");
    let password = file("password");
    [
        "--kafka-brokers",
        LOGIN,
        "--kafka-ca-file",
        &ca,
        "--kafka-username",
        "reader",
        "--kafka-password-file",
        &password,
        "--kafka-sasl-mechanism",
        mechanism,
    ]
    .map(str::to_owned)
    .to_vec()
}

fn certificate() -> Vec<String> {
    let (ca, certificate, key) = (file("ca.crt"), file("client.crt"), file("client.key"));
    [
        "--kafka-brokers",
        CERTIFICATE,
        "--kafka-ca-file",
        &ca,
        "--kafka-certificate-file",
        &certificate,
        "--kafka-key-file",
        &key,
    ]
    .map(str::to_owned)
    .to_vec()
}

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    kafka: KafkaArgs,
}

/// The first record that the operator's source reads with these settings.
async fn first_record(lab: &Lab, arguments: Vec<String>) -> String {
    let more = ["--kafka-topic", lab.topic(), "--kafka-group", lab.topic()].map(str::to_owned);
    let line = Line::parse_from(["test".to_owned()].into_iter().chain(arguments).chain(more));
    let source = KafkaSource::connect(&line.kafka.config().expect("should be settings")).expect("should be taken");
    let ((sender, mut records), stop) = (mpsc::channel::<Record>(8), CancellationToken::new());
    let read = async {
        let record = tokio::time::timeout(Duration::from_secs(30), records.recv()).await;
        stop.cancel();
        match record.expect("should read within 30 s").expect("should read").payload {
            Payload::Event(event) => event.text,
            Payload::Bytes(_) | Payload::TooLarge => panic!("should be an event"),
        }
    };
    let (ran, record) = tokio::join!(source.run(sender, stop.clone()), read);
    ran.expect("should end well");
    record
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_are_read_by_tls_with_a_user_or_a_certificate() {
    let Some(lab) = Lab::start("tls", 1).await else { return };
    lab.send(0, &line("p1", 1, EXPIRED)).await;
    for arguments in [login("scram-sha-512"), login("plain"), certificate()] {
        assert_eq!(first_record(&lab, arguments).await, EXPIRED);
    }
    lab.stop().await;
}

/// What `hopkeeper replay` says on standard error; it must fail.
fn refusal(arguments: &[String]) -> String {
    let chain = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/berlin.yaml");
    let mut command = Command::new(env!("CARGO_BIN_EXE_hopkeeper"));
    command.args(["replay", "--chain", chain, "--kafka-topic", "hopkeeper-test-none"]).args(arguments);
    crate::refusal::refusal(&mut command)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_not_reached_is_explained() {
    let Some(lab) = Lab::start("explained", 1).await else { return };
    let wrong_password = tempfile::NamedTempFile::new().expect("should create");
    std::fs::write(wrong_password.path(), "CANARY").expect("should write");
    let instead = |mut arguments: Vec<String>, flag: &str, value: &str| {
        let at = arguments.iter().position(|argument| argument == flag).expect("should be there");
        arguments[at + 1] = value.to_owned();
        arguments
    };
    let only_ca =
        |brokers: &str| ["--kafka-brokers", brokers, "--kafka-ca-file", &file("ca.crt")].map(str::to_owned).to_vec();
    let plain = vec!["--kafka-brokers".to_owned(), LOGIN.to_owned()];
    let mut unexplained = Vec::new();
    for (arguments, expected) in [
        (plain, "this port of the broker may want TLS"),
        (only_ca(lab.brokers()), "this port of the broker has no TLS"),
        (instead(login("plain"), "--kafka-ca-file", &file("client.crt")), "give the CA with --kafka-ca-file"),
        (
            instead(login("plain"), "--kafka-brokers", "localhost:9095"),
            "call the broker by a name that its certificate has",
        ),
        (
            instead(login("scram-sha-512"), "--kafka-password-file", &wrong_password.path().to_string_lossy()),
            "the broker refused the user or the password",
        ),
        (login("scram-sha-256"), "the broker does not offer this way to log in"),
        (only_ca(CERTIFICATE), "the broker wants a certificate of ours"),
        (instead(certificate(), "--kafka-brokers", "127.0.0.1:1"), "nobody listens at the broker's address"),
    ] {
        let said = refusal(&arguments);
        if !(said.contains("Kafka is not reached") && said.contains(expected)) {
            unexplained.push(format!("{arguments:?}: {said}"));
        }
    }
    assert!(unexplained.is_empty(), "{}", unexplained.join("\n"));
    lab.stop().await;
}
