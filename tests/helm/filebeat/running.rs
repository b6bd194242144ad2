//! Filebeat itself with these configurations, on log files made for it: only its output is another, a file.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::needs::{is_root, pass_over};
use crate::tool::{lab, root, tool};

/// On a machine with other work.
const LIMIT: Duration = Duration::from_secs(120);
/// Runs a command for which /var/log/pods is another directory.
const OWN_LOGS: &str =
    r#"mount -t tmpfs tmpfs /var/log; mkdir /var/log/pods; mount --bind "$1" /var/log/pods; shift; exec "$@""#;

/// A node's logs, and who reads them.
pub struct Node {
    program: PathBuf,
    directory: TempDir,
    configuration: &'static str,
    filebeat: Option<Child>,
}

impl Node {
    /// No Filebeat runs yet. None where there is none, or no right to give it a `/var/log/pods` of its own.
    pub fn new(configuration: &'static str) -> Option<Self> {
        let program = tool("filebeat")?;
        if !is_root() {
            pass_over("root");
            return None;
        }
        let directory = tempfile::tempdir_in(lab()).unwrap();
        for place in ["pods", "home", "out"] {
            fs::create_dir(directory.path().join(place)).unwrap();
        }
        let file = directory.path().join("filebeat.yml");
        fs::copy(root().join("filebeat").join(configuration), &file).unwrap();
        // It takes none that others may write to.
        fs::set_permissions(file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        Some(Self { program, directory, configuration, filebeat: None })
    }

    /// Filebeat on this node, with an output into a file.
    fn command(&self, arguments: &[&str]) -> Command {
        let directory = self.directory.path();
        let mut command = Command::new("setpriv");
        // Held up for multiline's 200 ms it would cut an event in two.
        command.args(["--pdeathsig", "KILL", "nice", "-n", "-15", "unshare", "--mount", "sh", "-ec"]);
        command.arg(OWN_LOGS);
        command.arg("sh").arg(directory.join("pods")).arg(&self.program).args(arguments);
        command.arg("-c").arg(directory.join("filebeat.yml")).arg("--path.home").arg(directory.join("home"));
        let usual = if self.configuration == "filebeat-elasticsearch.yml" { "elasticsearch" } else { "kafka" };
        command.args(["-E", &format!("output.{usual}.enabled=false"), "-E", "output.file.filename=events"]);
        command.args(["-E", &format!("output.file.path={}", directory.join("out").display())]);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("NODE_NAME", "n1");
        command.env("KAFKA_BROKERS", "192.0.2.1:9092").env("ELASTICSEARCH_URL", "http://192.0.2.1:9200");
        command.stdin(Stdio::null());
        command
    }

    /// What Filebeat says of the configuration.
    pub fn test_configuration(&self) -> String {
        let output = self.command(&["test", "config"]).output().unwrap();
        let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
        assert!(output.status.success(), "{}: {said}", self.configuration);
        said
    }

    /// Filebeat starts, where it has left off.
    pub fn start(&mut self) {
        let log = OpenOptions::new().create(true).append(true).open(self.directory.path().join("log")).unwrap();
        self.filebeat = Some(self.command(&["-e"]).stderr(log).spawn().unwrap());
    }

    /// Filebeat is told to end, and does.
    pub fn stop(&mut self) {
        let mut filebeat = self.filebeat.take().unwrap();
        let pid = rustix::process::Pid::from_child(&filebeat);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        filebeat.wait().unwrap();
    }

    /// Where a pod's logs are.
    pub fn pod(&self, pod: &str) -> PathBuf {
        self.directory.path().join("pods").join(pod)
    }

    /// Where a container's logs are.
    pub fn container(&self, pod: &str, container: &str) -> PathBuf {
        let directory = self.pod(pod).join(container);
        fs::create_dir_all(&directory).unwrap();
        directory
    }

    /// All that has come so far.
    fn events(&self) -> Vec<Value> {
        let mut files: Vec<_> =
            fs::read_dir(self.directory.path().join("out")).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        let text: String = files.into_iter().map(|file| fs::read_to_string(file).unwrap()).collect();
        // What is being written has no end yet.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Waits until what has come is all that should.
    pub fn until(&self, what: &str, is_all: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let end = Instant::now() + LIMIT;
        loop {
            let events = self.events();
            if is_all(&events) {
                return events;
            }
            if Instant::now() > end {
                let log = fs::read_to_string(self.directory.path().join("log")).unwrap();
                panic!("{}: {what}; there are {}: {events:#?}\n{log}", self.configuration, events.len());
            }
            sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(filebeat) = &mut self.filebeat {
            filebeat.kill().unwrap();
            filebeat.wait().unwrap();
        }
    }
}

/// Appends to a file.
pub fn append(file: &Path, text: impl AsRef<[u8]>) {
    let mut file = OpenOptions::new().create(true).append(true).open(file).unwrap();
    file.write_all(text.as_ref()).unwrap();
}

/// A line as the runtime writes it; `number` is its time.
pub fn written(number: usize, text: &str) -> String {
    format!("2026-11-22T16:25:43.{number:09}Z stdout F {text}\n")
}

/// The text of an event.
pub fn message(event: &Value) -> &str {
    event["message"].as_str().unwrap()
}
