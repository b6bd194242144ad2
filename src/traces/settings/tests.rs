//! OpenTelemetry's variables, and what is said of one that can't be used.

use clap::Parser;

use std::path::Path;

use super::*;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: OtlpArgs,
}

fn args(arguments: &[&str]) -> OtlpArgs {
    Line::try_parse_from(["x"].iter().chain(arguments)).unwrap_or_else(|error| panic!("{error}")).args
}

fn read(arguments: &[&str], variables: &[(&str, &str)]) -> Result<Option<Settings>, String> {
    let of = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
    Settings::read_with(&args(arguments), of)
}

const HERE: &[&str] = &["--otlp-endpoint", "http://collector:4318"];

fn with(variables: &[(&str, &str)]) -> Settings {
    read(HERE, variables).unwrap().unwrap()
}

fn refused(variables: &[(&str, &str)]) -> String {
    read(HERE, variables).err().unwrap_or_default()
}

#[test]
fn traces_are_sent_where_somebody_asks_for_them() {
    let off = |arguments: &[&str], variables: &[(&str, &str)]| read(arguments, variables).unwrap().is_none();
    assert!(off(&[], &[]) && off(&["--otlp-endpoint", ""], &[]) && off(&["--otlp-endpoint", " "], &[]));
    assert!(off(HERE, &[("OTEL_SDK_DISABLED", "true")]) && off(HERE, &[("OTEL_TRACES_EXPORTER", "none")]));
    assert!(!off(HERE, &[("OTEL_SDK_DISABLED", "false"), ("OTEL_TRACES_EXPORTER", "otlp")]));
}

#[test]
fn the_path_of_traces_is_added_but_not_to_an_address_of_their_own() {
    let url = |arguments: &[&str]| read(arguments, &[]).unwrap().unwrap().url.to_string();
    assert_eq!(url(HERE), "http://collector:4318/v1/traces");
    assert_eq!(url(&["--otlp-endpoint", "https://c/otlp/"]), "https://c/otlp/v1/traces");
    let own = ["--otlp-endpoint", "http://c", "--otlp-traces-endpoint", "https://t:1/in?x=y"];
    assert_eq!(url(&own), "https://t:1/in?x=y");
    for (arguments, expected) in [
        (["--otlp-endpoint", "collector:4318"], "--otlp-endpoint: the URL must begin with https:// or http://"),
        (["--otlp-traces-endpoint", "nonsense"], "--otlp-traces-endpoint: the URL can't be read"),
        (["--otlp-endpoint", "http://u:CANARY@c"], "use OTEL_EXPORTER_OTLP_HEADERS"),
    ] {
        let why = read(&arguments, &[]).err().unwrap_or_default();
        assert!(why.contains(expected) && why.contains("for example http://") && !why.contains("CANARY"), "{why}");
    }
}

#[test]
fn the_variables_of_traces_go_before_those_of_all_signals() {
    let settings = with(&[]);
    assert_eq!((settings.timeout, settings.gzip), (Duration::from_secs(10), false));
    let settings = with(&[
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "1"),
        ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "1500"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf"),
        ("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "/ca.crt"),
    ]);
    assert_eq!((settings.timeout, settings.gzip), (Duration::from_millis(1500), true));
    assert_eq!(settings.ca.as_deref(), Some(Path::new("/ca.crt")));
}

#[test]
fn what_cannot_be_used_is_refused_with_its_variable_and_what_can() {
    for (name, value, expected) in [
        (
            "OTEL_EXPORTER_OTLP_PROTOCOL",
            "grpc",
            "speaks http/protobuf and not \"grpc\"; collectors take it at port 4318",
        ),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json", "speaks http/protobuf"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd", "must be gzip or none"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s", "must be milliseconds"),
        ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "0", "at least 1"),
        ("OTEL_RESOURCE_ATTRIBUTES", "a=b,c", "entry 2 is not NAME=VALUE; a comma within is written %2C"),
    ] {
        let why = refused(&[(name, value)]);
        assert!(why.starts_with(name) && why.contains(expected), "{name}={value}: {why}");
    }
}

#[test]
fn of_whom_the_traces_are_is_decoded_and_the_name_of_the_service_has_a_variable_of_its_own() {
    let own = |variables: &[(&str, &str)]| with(variables).resource;
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    assert_eq!(own(&[]), []);
    let attributes = ("OTEL_RESOURCE_ATTRIBUTES", " deployment.environment.name = prod%2Cold ,service.name=a,");
    assert_eq!(own(&[attributes]), [pair("deployment.environment.name", "prod,old"), pair("service.name", "a")]);
    let both = own(&[attributes, ("OTEL_SERVICE_NAME", "vpn")]);
    assert_eq!(both[1..], [pair("service.name", "vpn")]);
}

#[test]
fn headers_are_decoded_and_no_error_shows_one() {
    let headers =
        with(&[("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Basic%20Q0FOQVJZ,x-team = a")]).headers.read().unwrap();
    assert_eq!(
        (&headers["authorization"], &headers["x-team"]),
        (&"Basic Q0FOQVJZ".parse().unwrap(), &"a".parse().unwrap())
    );
    assert!(!format!("{headers:?}").contains("Q0FOQVJZ"));
    for (value, expected) in [
        ("CANARY", "entry 1 is not NAME=VALUE"),
        ("a=b,=CANARY", "entry 2 is not NAME=VALUE"),
        ("a=%FF,b=CANARY", "entry 1 is not NAME=VALUE"),
        ("Bearer CANARY=x", "entry 1 has a name that no header can have"),
        ("x-key=CANARY%0Ax", "the value of header x-key can't be sent"),
    ] {
        let why = refused(&[("OTEL_EXPORTER_OTLP_TRACES_HEADERS", value)]);
        assert!(why.starts_with("OTEL_EXPORTER_OTLP_TRACES_HEADERS") && why.contains(expected), "{value}: {why}");
        assert!(!why.contains("CANARY"), "{why}");
    }
}

#[test]
fn headers_of_a_file_are_read_again_each_time() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("headers");
    let path = file.display().to_string();
    let arguments = [HERE, &["--otlp-headers-file", path.as_str()]].concat();
    let missing = read(&arguments, &[]).err().unwrap_or_default();
    assert!(missing.contains(&path), "{missing}");
    std::fs::write(&file, "x-key=one\n").unwrap();
    // The file goes before the variable.
    let settings = read(&arguments, &[("OTEL_EXPORTER_OTLP_HEADERS", "x-key=other")]).unwrap().unwrap();
    assert_eq!(settings.headers.read().unwrap()["x-key"], "one");
    std::fs::write(&file, "x-key=two\n").unwrap();
    assert_eq!(settings.headers.read().unwrap()["x-key"], "two");
    std::fs::write(&file, "CANARY").unwrap();
    let why = settings.headers.read().unwrap_err();
    assert!(why.contains(&path) && !why.contains("CANARY"), "{why}");
}
