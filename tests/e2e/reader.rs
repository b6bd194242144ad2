//! Somebody who follows a document: a directory, a shell with the programs that the document speaks of, the cluster.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::lab::{self, Lane};
use crate::wait::{LIMIT, until_every};

/// The folder of the reader's own programs.
const OWN: &str = ".programs";

/// The reader. What was left running ends with it.
pub struct Reader {
    directory: TempDir,
    path: OsString,
    variables: Vec<(&'static str, String)>,
    running: Vec<Child>,
}

impl Reader {
    /// In an empty directory.
    pub fn new() -> Self {
        let program = Path::new(env!("CARGO_BIN_EXE_hopkeeper")).parent().expect("it should be in a directory");
        let directory = tempfile::tempdir().expect("a directory should be made");
        let own = directory.path().join(OWN);
        std::fs::create_dir(&own).expect("it should be made");
        let path = lab::search_path(&[&own, program]);
        Self { directory, path, variables: Vec::new(), running: Vec::new() }
    }

    /// Where the reader is.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Where the reader puts programs: they come before all others.
    pub fn programs(&self) -> PathBuf {
        self.directory().join(OWN)
    }

    /// Sets a variable for every command to come.
    pub fn set(&mut self, variable: &'static str, value: &str) {
        self.variables.push((variable, value.to_owned()));
    }

    /// Gives the reader a candidate of a lane's hop as a provider does: a profile or a configuration under this name, and user and
    /// password beside it.
    pub fn has(&self, name: &str, lane: Lane, hop: &str, candidate: &str) {
        let file = lane.pool(hop).join(candidate).with_extension("json");
        let text = std::fs::read_to_string(file).expect("the lab should have its candidates");
        let fields: Value = serde_json::from_str(&text).expect("it should be JSON");
        let profile = self.directory().join(name);
        std::fs::create_dir_all(profile.parent().expect("it should be in a folder")).expect("it should be made");
        let field = |field: &str| fields[field].as_str();
        let account = field("username").zip(field("password")).map(|(user, password)| format!("{user}\n{password}\n"));
        let files = [("ovpn", field("profile")), ("conf", field("config")), ("auth", account.as_deref())];
        for (ending, text) in files.into_iter().filter_map(|(ending, text)| Some((ending, text?))) {
            std::fs::write(profile.with_extension(ending), text).expect("it should be written");
        }
    }

    fn command(&self, script: &str) -> Command {
        let mut command = Command::new("bash");
        command.args(["-euo", "pipefail", "-c", script]).current_dir(self.directory()).env("PATH", &self.path);
        command.envs(self.variables.iter().cloned()).envs(lab::helm_homes());
        command.env("KUBECONFIG", lab::dir().join("kubeconfig")).env("NO_COLOR", "1").stdin(Stdio::null());
        command
    }

    /// What a script prints, and its exit code.
    fn tried(&self, script: &str) -> (String, Option<i32>) {
        let output = self.command(&format!("exec 2>&1\n{script}")).output().expect("bash should run");
        // An error report ends with an empty line; what ends without one gets it from the next prompt.
        let mut said = String::from_utf8_lossy(&output.stdout).trim_end().to_owned();
        if !said.is_empty() {
            said.push('\n');
        }
        (said, output.status.code())
    }

    /// What a script prints; it must succeed.
    pub fn run(&self, script: &str) -> String {
        let (said, code) = self.tried(script);
        assert_eq!(code, Some(0), "{script}\n{said}");
        said
    }

    /// What a script prints that says no.
    pub fn refused(&self, script: &str) -> String {
        let (said, code) = self.tried(script);
        assert_eq!(code, Some(1), "{script}\n{said}");
        said
    }

    /// Asks again and again until the answer has it all.
    pub async fn until(&self, question: &str, answer: &[&str]) {
        self.until_it(question, &format!("{answer:?}"), |said| answer.iter().all(|part| said.contains(part))).await;
    }

    /// The same until the answer fits; the answer.
    pub async fn until_it(&self, question: &str, what: &str, fits: impl Fn(&str) -> bool) -> String {
        until_every(Duration::from_secs(1), &format!("{question} shows {what}"), LIMIT, || async {
            let (said, code) = self.tried(question);
            if code == Some(0) && fits(&said) { Ok(said) } else { Err(said) }
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
