//! What the installation says of its collector, in OpenTelemetry's own variables: the OTLP exporter's specification and that
//! of the SDK's environment variables say what they are. Those for traces alone go before those for all signals.
//!
//! A value that can't be used is an error at the start, not a warning that nobody reads. Headers are secrets: no error shows one.

use std::path::PathBuf;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::config::otlp::OtlpArgs;
use crate::https;

const HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";
/// As the specification has it.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How traces are sent, and what is said of who sends them.
pub(super) struct Settings {
    /// Where each request goes.
    pub(super) url: Url,
    /// CA certificates besides the system's.
    pub(super) ca: Option<PathBuf>,
    /// What goes with each request.
    pub(super) headers: Headers,
    /// How long the collector may take to answer.
    pub(super) timeout: Duration,
    /// Whether requests are compressed.
    pub(super) gzip: bool,
    /// Of whom the traces are said to be.
    pub(super) resource: Vec<(String, String)>,
}

impl Settings {
    /// None where nobody asks for traces.
    ///
    /// # Errors
    /// When a setting can't be used; it is named, and what to give is said.
    pub(super) fn read(args: &OtlpArgs) -> Result<Option<Self>, String> {
        Self::read_with(args, |name| std::env::var(name).ok())
    }

    pub(super) fn read_with(
        args: &OtlpArgs,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, String> {
        let of = |name: &str| variable(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        let switched_off = of("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"))
            || of("OTEL_TRACES_EXPORTER").is_some_and(|value| value.eq_ignore_ascii_case("none"));
        if !args.is_wanted() || switched_off {
            return Ok(None);
        }
        // The variable that is set, and its value.
        let setting = |end: &str| {
            let names = [format!("OTEL_EXPORTER_OTLP_TRACES_{end}"), format!("OTEL_EXPORTER_OTLP_{end}")];
            names.into_iter().find_map(|name| of(&name).map(|value| (name, value)))
        };
        if let Some((name, other)) = setting("PROTOCOL").filter(|(_, value)| value != "http/protobuf") {
            return Err(format!(
                "{name}: hopkeeper speaks http/protobuf and not {other:?}; collectors take it at port 4318"
            ));
        }
        let gzip = match setting("COMPRESSION") {
            None => false,
            Some((_, value)) if value == "none" => false,
            Some((_, value)) if value == "gzip" => true,
            Some((name, value)) => return Err(format!("{name}: must be gzip or none, not {value:?}")),
        };
        let timeout = match setting("TIMEOUT") {
            None => TIMEOUT,
            Some((name, value)) => {
                let wrong = || format!("{name}: must be milliseconds, at least 1, not {value:?}; for example 10000");
                let milliseconds = value.parse().ok().filter(|milliseconds| *milliseconds > 0).ok_or_else(wrong)?;
                Duration::from_millis(milliseconds)
            }
        };
        let headers = match &args.headers_file {
            Some(file) => Headers::File(file.clone()),
            None => {
                let (name, value) = setting("HEADERS").unwrap_or_else(|| (HEADERS.to_owned(), String::new()));
                Headers::Variable(name, value.into())
            }
        };
        headers.read()?;
        let ca = of("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE").map(PathBuf::from).or_else(|| args.ca.clone());
        let resource = resource(of("OTEL_RESOURCE_ATTRIBUTES"), of("OTEL_SERVICE_NAME"))?;
        Ok(Some(Self { url: endpoint(args)?, ca, headers, timeout, gzip, resource }))
    }
}

/// Where traces go.
fn endpoint(args: &OtlpArgs) -> Result<Url, String> {
    let given = |url: &Option<String>| url.clone().filter(|url| !url.trim().is_empty());
    let url = |flag: &str, text: &str| {
        let wrong = |why| format!("{flag}: {why}, for example http://otel-collector:4318");
        https::url(text, HEADERS).map_err(wrong)
    };
    if let Some(whole) = given(&args.traces_endpoint) {
        return url("--otlp-traces-endpoint", &whole);
    }
    let mut base = url("--otlp-endpoint", &given(&args.endpoint).unwrap_or_default())?;
    // A URL that can be a base has path segments; `https::url` lets no other one in.
    if let Ok(mut segments) = base.path_segments_mut() {
        segments.pop_if_empty().extend(["v1", "traces"]);
    }
    Ok(base)
}

/// The headers of each request, which may hold a key.
pub(super) enum Headers {
    /// From a file, which may be replaced.
    File(PathBuf),
    /// From the variable of that name.
    Variable(String, SecretString),
}

impl Headers {
    /// Them, as they are now.
    ///
    /// # Errors
    /// When the file can't be read, or something in it is no header. What it is is not shown.
    pub(super) fn read(&self) -> Result<HeaderMap, String> {
        match self {
            Self::Variable(name, text) => headers(name, text.expose_secret()),
            Self::File(path) => {
                let shown = path.display().to_string();
                let failed = |error| format!("failed to read {shown}: {error}");
                let text = SecretString::from(std::fs::read_to_string(path).map_err(failed)?);
                headers(&shown, text.expose_secret())
            }
        }
    }
}

fn headers(of: &str, text: &str) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (number, name, value) in pairs(of, text)? {
        // What stands where the name belongs may be the key.
        let name = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| format!("{of}: entry {number} has a name that no header can have"))?;
        let mut value = HeaderValue::from_bytes(value.as_bytes())
            .map_err(|_| format!("{of}: the value of header {name} can't be sent"))?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(headers)
}

/// `OTEL_RESOURCE_ATTRIBUTES`, with the name of the service, which has a variable of its own.
fn resource(attributes: Option<String>, service: Option<String>) -> Result<Vec<(String, String)>, String> {
    let all = pairs("OTEL_RESOURCE_ATTRIBUTES", &attributes.unwrap_or_default())?;
    let mut all: Vec<_> = all.into_iter().map(|(_, key, value)| (key, value)).collect();
    if let Some(service) = service {
        all.retain(|(key, _)| key != "service.name");
        all.push(("service.name".to_owned(), service));
    }
    Ok(all)
}

/// `KEY=VALUE` pairs separated by commas, percent-encoded where they hold what separates them, and the number of each.
fn pairs(of: &str, text: &str) -> Result<Vec<(usize, String, String)>, String> {
    let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty()).enumerate();
    let decoded = |text: &str| percent_decode_str(text.trim()).decode_utf8().ok().map(String::from);
    let pair = |(index, entry): (usize, &str)| {
        let number = index + 1;
        let (key, value) = entry.split_once('=').filter(|(key, _)| !key.trim().is_empty())?;
        Some((number, decoded(key)?, decoded(value)?))
    };
    let wrong = |number: usize| format!("{of}: entry {number} is not NAME=VALUE; a comma within is written %2C");
    entries.map(|entry| pair(entry).ok_or_else(|| wrong(entry.0 + 1))).collect()
}

#[cfg(test)]
mod tests;
