//! The operator as a process that can be killed.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

use crate::wait::{LIMIT, until};
use crate::{identity, lab};

/// A running operator; killed when dropped.
pub struct Operator {
    child: Child,
    /// What it logs.
    pub log: PathBuf,
    listen: String,
    status_listen: String,
}

/// Where an operator reads the log lines from. The shippers of the lab write all of them to Kafka and to Elasticsearch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogSource {
    Kafka,
    Elasticsearch,
    PodLogs,
}

impl LogSource {
    /// The one that the scenarios are run with: `HOPKEEPER_E2E_SOURCE`, by default Kafka.
    pub fn of_this_run() -> Self {
        match std::env::var("HOPKEEPER_E2E_SOURCE").as_deref() {
            Err(_) | Ok("kafka") => Self::Kafka,
            Ok("elasticsearch") => Self::Elasticsearch,
            Ok("pod-logs") => Self::PodLogs,
            Ok(other) => panic!("HOPKEEPER_E2E_SOURCE is {other:?}; it may be kafka, elasticsearch, or pod-logs"),
        }
    }

    fn arguments(self, start: &Start) -> Vec<&str> {
        match self {
            Self::Kafka => {
                let (topic, group) = (&start.topic, &start.group);
                vec!["--kafka-brokers", "127.0.0.1:9092", "--kafka-topic", topic, "--kafka-group", group]
            }
            Self::Elasticsearch => {
                vec!["--elasticsearch-url", "http://127.0.0.1:9200", "--elasticsearch-index", "filebeat-lab"]
            }
            Self::PodLogs => vec!["--source", "pod-logs"],
        }
    }
}

/// Where an operator writes chain-state documents.
#[derive(Clone)]
pub struct Documents {
    pub url: String,
    pub namespace: &'static str,
    pub buffer_mib: usize,
}

impl Documents {
    fn arguments(&self) -> Vec<String> {
        let Self { url, namespace, buffer_mib } = self;
        let text = format!(
            "--documents --documents-namespace {namespace} --documents-buffer {buffer_mib} --elasticsearch-url {url}"
        );
        text.split(' ').map(str::to_owned).collect()
    }
}

/// How to start one.
#[derive(Clone)]
pub struct Start {
    /// Where the log lines come from.
    pub source: LogSource,
    /// The only namespace that it works in.
    pub namespace: String,
    /// Where the lines are in Kafka.
    pub topic: String,
    /// The consumer group, which outlives the process.
    pub group: String,
    /// Named pauses, for the crash tests.
    pub failpoints: String,
    /// The log filter.
    pub log: String,
    /// Who may see its status page.
    pub status_auth: &'static str,
    /// Where its Lease is: operators with different ones all believe to lead.
    pub lease_namespace: String,
    /// After how much silence a hop is `Unknown`.
    pub silent_after: &'static str,
    /// Where it sends traces, if anywhere.
    pub otlp_endpoint: Option<String>,
    /// Where it writes documents, if anywhere; its lines do not come from Elasticsearch then.
    pub documents: Option<Documents>,
}

impl Start {
    /// An operator for a test's namespace.
    pub fn new(namespace: &str) -> Self {
        let group = format!("e2e-{namespace}");
        Self {
            source: LogSource::of_this_run(),
            namespace: namespace.to_owned(),
            topic: "vpn-logs".to_owned(),
            group,
            failpoints: String::new(),
            log: "info,hopkeeper=debug".to_owned(),
            status_auth: "none",
            lease_namespace: namespace.to_owned(),
            silent_after: "60s",
            otlp_endpoint: None,
            documents: None,
        }
    }

    /// Starts it, with the rights that the chart gives it, and waits until its watches are in sync.
    pub async fn start(&self) -> Operator {
        let kubeconfig = identity::kubeconfig(&self.namespace, &self.lease_namespace, self.source).await;
        let port = free_port();
        let (listen, status_listen) = (format!("127.0.0.1:{port}"), format!("127.0.0.1:{}", free_port()));
        let log = lab::dir().join("log").join(format!("operator-{}-{port}.log", self.namespace));
        let file = File::create(&log).expect("the log should be writable");
        let token = lab::dir().join("pools/token");
        // Benchmarks measure the program as it is released.
        let program =
            std::env::var_os("HOPKEEPER_E2E_OPERATOR").unwrap_or_else(|| env!("CARGO_BIN_EXE_hopkeeper").into());
        // It must not outlive the tests, however they end.
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .arg(program)
            .arg("run")
            .args(["--namespace", &self.namespace, "--lease-namespace", &self.lease_namespace])
            .args(["--status-listen", &status_listen, "--status-auth", self.status_auth])
            .args(["--listen", &listen, "--log", &self.log, "--lease-duration", "5s", "--parameters-poll", "3s"])
            .args(self.source.arguments(self))
            .args(["--silent-after", self.silent_after])
            .args(self.documents.iter().flat_map(Documents::arguments))
            .args(["--vault-address", "http://127.0.0.1:8200", "--vault-auth", "token"])
            .arg("--vault-credential-file")
            .arg(token)
            .args(image_arguments())
            .env("KUBECONFIG", kubeconfig)
            .env("FAILPOINTS", &self.failpoints)
            .envs(self.otlp_endpoint.iter().map(|url| ("OTEL_EXPORTER_OTLP_ENDPOINT", url)))
            .stdout(Stdio::null())
            .stderr(file)
            .spawn()
            .expect("the operator should start");
        let operator = Operator { child, log, listen, status_listen };
        until("the operator is ready", LIMIT, || async {
            operator.get("/readyz").await.and_then(|(code, text)| if code == 200 { Ok(()) } else { Err(text) })
        })
        .await;
        operator
    }
}

fn image_arguments() -> Vec<String> {
    let names = ["hopkeeper", "openvpn", "boringtun", "wireguard-go", "health"];
    names.iter().flat_map(|name| [format!("--image-{name}"), format!("lab.local/{name}:1")]).collect()
}

/// A port that nobody else will be given meanwhile: below the range from which the kernel chooses, and each one once.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 20_000 + u16::try_from(std::process::id() % 100).expect("it should fit") * 100;
    let free = |port: &u16| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok();
    std::iter::repeat_with(|| first + NEXT.fetch_add(1, Ordering::Relaxed) % 100)
        .find(free)
        .expect("one should be free")
}

impl Operator {
    /// Where its metrics are.
    pub fn metrics(&self) -> String {
        format!("http://{}/metrics", self.listen)
    }

    /// A page of its HTTP endpoint: status code and body.
    pub async fn get(&self, path: &str) -> Result<(u16, String), String> {
        Self::fetch(&self.listen, path, "").await
    }

    /// The same of its status page, to whoever shows this token.
    pub async fn status_page(&self, path: &str, token: &str) -> Result<(u16, String), String> {
        Self::fetch(&self.status_listen, path, token).await
    }

    async fn fetch(address: &str, path: &str, token: &str) -> Result<(u16, String), String> {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut stream = tokio::net::TcpStream::connect(address).await.map_err(|e| e.to_string())?;
        let shown = if token.is_empty() { String::new() } else { format!("authorization: Bearer {token}\r\n") };
        let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n{shown}connection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.map_err(|e| e.to_string())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.map_err(|e| e.to_string())?;
        let code = answer.split(' ').nth(1).and_then(|c| c.parse().ok()).ok_or("no answer")?;
        Ok((code, answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default()))
    }

    /// The sum of a metric over its labels that contain `labels`.
    pub async fn metric(&self, name: &str, labels: &str) -> f64 {
        let (_, text) = self.get("/metrics").await.expect("metrics should be served");
        let ours = |line: &&str| line.starts_with(name) && line.contains(labels);
        text.lines().filter(ours).filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }

    /// Resident memory in MiB.
    pub fn memory_mib(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap_or("VmRSS: 0 kB");
        line.split_whitespace().nth(1).and_then(|n| n.parse::<f64>().ok()).unwrap_or_default() / 1024.0
    }

    /// kill -STOP: it stands still, as on a node that is suspended.
    pub fn suspend(&self) {
        self.signal("-STOP");
    }

    /// kill -CONT: it goes on, and knows only what it knew before.
    pub fn resume(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        assert!(status.expect("kill should run").success(), "kill {signal}");
    }

    /// Has it end by itself, as Kubernetes does.
    pub async fn terminate(&mut self) {
        self.signal("-TERM");
        let child = &mut self.child;
        let status = until("the operator ends by itself", LIMIT, || {
            let ended = child.try_wait().expect("it should be asked");
            std::future::ready(ended.ok_or_else(|| "it runs".to_owned()))
        })
        .await;
        assert!(status.success(), "{status}");
    }

    /// kill -9.
    pub fn kill(&mut self) {
        self.child.kill().expect("it should be killed");
        self.child.wait().expect("it should be gone");
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
