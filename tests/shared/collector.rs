//! An OpenTelemetry Collector of a test's own on a free port, which writes down what it takes; it ends with the test, also
//! with one that panics.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::lab_dir::lab_program;
use crate::needs::pass_over;

const PATIENCE: Duration = Duration::from_secs(60);

/// Where a collector listens, or will.
pub(crate) struct Place {
    binary: PathBuf,
    address: SocketAddr,
    directory: TempDir,
    tls: bool,
}

impl Place {
    /// None without the program; under CI that is a failure.
    pub(crate) fn new() -> Option<Self> {
        let binary = lab_program("HOPKEEPER_TEST_OTELCOL", "otelcol");
        if !binary.exists() {
            pass_over(&format!("the collector at {} (tests/lab/otelcol/build.sh makes it)", binary.display()));
            return None;
        }
        let address = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("should find a free port");
        Some(Self { binary, address, directory: tempfile::tempdir().expect("should make a directory"), tls: false })
    }

    /// The same with a certificate of its own.
    pub(crate) fn with_tls() -> Option<Self> {
        let place = Self { tls: true, ..Self::new()? };
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"])
            .args(["-subj", "/CN=collector", "-addext", "subjectAltName=IP:127.0.0.1"])
            // A CA's certificate would not be taken for a server's.
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .args(["-keyout", &place.file("tls.key"), "-out", &place.file("tls.crt")])
            .output()
            .expect("should run openssl");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        Some(place)
    }

    /// What goes to `--otlp-endpoint`.
    pub(crate) fn url(&self) -> String {
        format!("{}://{}", if self.tls { "https" } else { "http" }, self.address)
    }

    /// What its certificate is checked against.
    pub(crate) fn ca(&self) -> String {
        self.file("tls.crt")
    }

    fn file(&self, name: &str) -> String {
        self.directory.path().join(name).to_string_lossy().into_owned()
    }

    fn configuration(&self) -> Value {
        let mut http = json!({ "endpoint": self.address });
        if self.tls {
            http["tls"] = json!({ "cert_file": self.file("tls.crt"), "key_file": self.file("tls.key") });
        }
        json!({
            "receivers": { "otlp": { "protocols": { "http": http } } },
            "exporters": { "file": { "path": self.file("traces.json") } },
            "service": {
                "pipelines": { "traces": { "receivers": ["otlp"], "exporters": ["file"] } },
                "telemetry": { "metrics": { "level": "none" } },
            },
        })
    }
}

/// A running collector.
pub(crate) struct Collector<'p> {
    place: &'p Place,
    child: Child,
}

impl Drop for Collector<'_> {
    fn drop(&mut self) {
        // It may have ended by itself; either way nothing is left.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl<'p> Collector<'p> {
    pub(crate) fn start(place: &'p Place) -> Self {
        let log = std::fs::File::create(place.file("log")).expect("should create the log");
        // Drop ends it, and where nothing is dropped, as after a kill -9 of the tests, the kernel does.
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .arg(&place.binary)
            .arg(format!("--config=yaml:{}", place.configuration()))
            .env_clear()
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("should clone"))
            .stderr(log)
            .spawn()
            .expect("should start the collector");
        let mut collector = Self { place, child };
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(place.address).is_err() {
            let ended = collector.child.try_wait().expect("should be asked");
            assert!(Instant::now() < deadline && ended.is_none(), "the collector did not start:\n{}", collector.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        collector
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.place.file("log")).unwrap_or_default()
    }

    /// Has it write down the rest and end; gives all that it took, by resource.
    pub(crate) fn stop(mut self) -> Vec<Value> {
        let pid =
            i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw).expect("should be a pid");
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("should be there");
        let ended = self.child.wait().expect("should end");
        assert!(ended.success(), "{ended}:\n{}", self.log());
        let written = std::fs::read_to_string(self.place.file("traces.json")).expect("should have been written");
        let requests = written.lines().map(|line| serde_json::from_str::<Value>(line).expect("should be JSON"));
        let resources = requests.map(|mut request| request["resourceSpans"].take());
        resources.flat_map(|all| all.as_array().cloned().unwrap_or_default()).collect()
    }
}
