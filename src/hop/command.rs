//! Runs `ip`, `nft` and `wg`.

use std::process::Stdio;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::HopError;

/// Runs a command and returns what it printed.
pub(super) async fn run(command: &[String]) -> Result<String, HopError> {
    run_with_input(command, None).await
}

/// Runs a command that reads `input`, which never appears in an error.
pub(super) async fn run_with_input(command: &[String], input: Option<&str>) -> Result<String, HopError> {
    let (program, arguments) = command.split_first().expect("should name a program");
    let spawn = |source| HopError::Spawn { program: program.clone(), source };
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(spawn)?;
    if let (Some(input), Some(mut stdin)) = (input, child.stdin.take()) {
        // A program that ends early says why by its status.
        let _ = stdin.write_all(input.as_bytes()).await;
    }
    let output = child.wait_with_output().await.map_err(spawn)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(HopError::Command {
        command: command.join(" "),
        output: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })
}

/// Runs commands one after the other; those that find their work done already are no failure.
pub(super) async fn run_all(commands: &[Vec<String>]) -> Result<(), HopError> {
    for command in commands {
        match run(command).await {
            Err(HopError::Command { output, .. }) if output.contains("File exists") => {}
            result => {
                result?;
            }
        }
    }
    Ok(())
}
