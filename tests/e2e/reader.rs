//! Somebody who follows a document: a directory, a shell with the programs that the document speaks of, the cluster.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::lab;
use crate::wait::{LIMIT, until_every};

/// The reader. What was left running ends with it.
pub struct Reader {
    /// Of what is read, for failures.
    document: &'static str,
    directory: TempDir,
    path: OsString,
    running: Vec<Child>,
}

impl Reader {
    /// In an empty directory.
    pub fn new(document: &'static str) -> Self {
        let program = Path::new(env!("CARGO_BIN_EXE_hopkeeper")).parent().expect("it should be in a directory");
        let path = lab::search_path(&[program]);
        let directory = tempfile::tempdir().expect("a directory should be made");
        Self { document, directory, path, running: Vec::new() }
    }

    /// What is read.
    pub fn text(&self) -> String {
        std::fs::read_to_string(lab::root().join(self.document)).expect("the document should be readable")
    }

    /// Where the reader is.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    fn command(&self, script: &str) -> Command {
        let mut command = Command::new("bash");
        command.args(["-euo", "pipefail", "-c", script]).current_dir(self.directory()).env("PATH", &self.path);
        command.env("KUBECONFIG", lab::dir().join("kubeconfig")).env("NO_COLOR", "1").stdin(Stdio::null());
        // Nothing of the person who runs the tests is read or written.
        for kind in ["CACHE", "CONFIG", "DATA"] {
            command.env(format!("HELM_{kind}_HOME"), lab::dir().join("run/helm"));
        }
        command
    }

    /// What a script prints, and whether it succeeded.
    fn tried(&self, script: &str) -> (String, bool) {
        let output = self.command(&format!("exec 2>&1\n{script}")).output().expect("bash should run");
        let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
        if !said.is_empty() && !said.ends_with('\n') {
            said.push('\n'); // As the next prompt would.
        }
        (said, output.status.success())
    }

    /// What a script prints; it must succeed.
    pub fn run(&self, script: &str) -> String {
        let (said, good) = self.tried(script);
        assert!(good, "{}: {script}\n{said}", self.document);
        said
    }

    /// Asks again and again until the answer has it all.
    pub async fn until(&self, question: &str, answer: &[&str]) {
        self.until_it(question, &format!("{answer:?}"), |said| answer.iter().all(|part| said.contains(part))).await;
    }

    /// The same until the answer fits; the answer.
    pub async fn until_it(&self, question: &str, what: &str, fits: impl Fn(&str) -> bool) -> String {
        until_every(Duration::from_secs(1), &format!("{question} shows {what}"), LIMIT, || async {
            let (said, good) = self.tried(question);
            if good && fits(&said) { Ok(said) } else { Err(said) }
        })
        .await
    }

    /// Follows a command that does not end until it shows the text; the line with it.
    pub fn watch(&self, command: &str, text: &str) -> String {
        // Ended from outside when it shows nothing, and then the reading ends too.
        let mut command = self.command(&format!("timeout {} {command}", LIMIT.as_secs()));
        let mut child = command.stdout(Stdio::piped()).spawn().expect("it should run");
        let lines = BufReader::new(child.stdout.take().expect("it should be there")).lines();
        let found = lines.map_while(Result::ok).find(|line| line.contains(text));
        // `timeout` passes the signal on.
        let _ = Command::new("kill").arg(child.id().to_string()).status();
        let _ = child.wait();
        found.unwrap_or_else(|| panic!("the watch should show {text}"))
    }

    /// Starts a command that does not end, as in a terminal that is left open.
    pub fn leave_running(&mut self, command: &str) {
        let child = self
            .command(&format!("exec setpriv --pdeathsig KILL {command}"))
            .stdout(Stdio::null())
            .spawn()
            .expect("it should run");
        self.running.push(child);
    }

    /// Writes a file that the document shows under the name in its first line.
    pub fn write(&self, text: &str) {
        let name =
            text.lines().next().and_then(|first| first.strip_prefix("# ")).expect("it should begin with its name");
        let file = self.directory().join(name);
        std::fs::create_dir_all(file.parent().expect("it should have a directory")).expect("it should be made");
        std::fs::write(file, text).expect("it should be written");
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        for child in &mut self.running {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
