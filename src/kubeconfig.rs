//! Which Kubernetes API is talked to: a kubeconfig as kubectl finds it, or a pod's own account. What is wrong is said without
//! a word of the file, which holds keys and tokens.

use std::path::{Path, PathBuf};

use kube::Config;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use thiserror::Error;

/// What helps, whatever is wrong.
pub const REMEDY: &str = "set KUBECONFIG, or give --kubeconfig and --context";

/// Why there is no API to talk to.
#[derive(Debug, Error)]
pub enum NoCluster {
    /// No file where one was looked for.
    #[error("no cluster to talk to: there is no kubeconfig {}, and this is no pod", .0.display())]
    Missing(PathBuf),
    /// No file, and nowhere to look for one.
    #[error("no cluster to talk to: neither KUBECONFIG nor a home directory is set, and this is no pod")]
    Nowhere,
    /// A file that can't be read.
    #[error("failed to read the kubeconfig {}: {source}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file that is none.
    #[error("the kubeconfig{of} is not one{}", at(*line, *column))]
    Malformed {
        /// Which, where that is known.
        of: String,
        /// Where in it; 0 where that is not known.
        line: u64,
        /// Where in it.
        column: u64,
    },
    /// Nothing says which of its clusters is meant.
    #[error("the kubeconfig names no current context")]
    NoContext,
    /// It has no such context.
    #[error("the kubeconfig has no context {0:?}")]
    UnknownContext(String),
    /// Something in it can't be used.
    #[error("the kubeconfig can't be used: {0}")]
    Unusable(String),
    /// A pod whose account can't be used.
    #[error("the pod's service account can't be used: {0}")]
    InCluster(#[from] kube::config::InClusterError),
}

fn at(line: u64, column: u64) -> String {
    if line == 0 { String::new() } else { format!(": see line {line}, column {column}") }
}

/// The settings of a kubeconfig: the one that is named, else those that KUBECONFIG lists, else `~/.kube/config`; in a pod
/// without any of them, its service account.
///
/// # Errors
/// When there are none, or they can't be used.
pub async fn config(file: Option<&Path>, context: Option<&str>) -> Result<Config, NoCluster> {
    let options = KubeConfigOptions { context: context.map(str::to_owned), ..KubeConfigOptions::default() };
    let found = match file {
        Some(path) => match Kubeconfig::read_from(path) {
            Ok(read) => Config::from_custom_kubeconfig(read, &options).await,
            Err(error) => Err(error),
        },
        None => Config::from_kubeconfig(&options).await,
    };
    match found {
        Ok(config) => Ok(config),
        // Who names a file or a context does not mean the pod's account.
        Err(_) if file.is_none() && context.is_none() && is_pod() => Ok(Config::incluster()?),
        Err(error) => Err(told(error, file)),
    }
}

fn is_pod() -> bool {
    std::env::var_os("KUBERNETES_SERVICE_HOST").is_some()
}

fn told(error: KubeconfigError, file: Option<&Path>) -> NoCluster {
    match error {
        KubeconfigError::ReadConfig(source, path) if source.kind() == std::io::ErrorKind::NotFound => {
            NoCluster::Missing(path)
        }
        KubeconfigError::ReadConfig(source, path) => NoCluster::Unreadable { path, source },
        KubeconfigError::FindPath => NoCluster::Nowhere,
        // Its own words show the lines around the place.
        KubeconfigError::Parse(error) => {
            let (line, column) = error.location().map_or((0, 0), |at| (at.line(), at.column()));
            let of = file.map(|path| format!(" {}", path.display())).unwrap_or_default();
            NoCluster::Malformed { of, line, column }
        }
        KubeconfigError::CurrentContextNotSet => NoCluster::NoContext,
        KubeconfigError::LoadContext(name) => NoCluster::UnknownContext(name),
        other => NoCluster::Unusable(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn refused(text: &[u8], context: Option<&str>) -> String {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config");
        std::fs::write(&path, text).unwrap();
        let said = config(Some(&path), context).await.err().map(|error| error.to_string()).unwrap_or_default();
        said.replace(&path.display().to_string(), "FILE")
    }

    #[tokio::test]
    async fn a_file_that_is_none_is_told_by_its_place_and_without_what_it_holds() {
        let broken = "users:\n- name: u\n  user: { token: CANARY }\ncontexts: [ CANARY\n";
        assert_eq!(refused(broken.as_bytes(), None).await, "the kubeconfig FILE is not one: see line 4, column 11");
        let said = refused(b"contexts: CANARY\n", None).await;
        assert!(said.starts_with("the kubeconfig FILE is not one") && !said.contains("CANARY"), "{said}");
        let directory = tempfile::tempdir().unwrap();
        let said = config(Some(directory.path()), None).await.err().unwrap().to_string();
        assert!(said.starts_with("failed to read the kubeconfig ") && said.contains("directory"), "{said}");
    }

    #[tokio::test]
    async fn what_is_missing_is_named() {
        assert_eq!(refused(b"{}", None).await, "the kubeconfig names no current context");
        assert_eq!(refused(b"{}", Some("x")).await, "the kubeconfig has no context \"x\"");
        let said = config(Some(Path::new("/none/such")), None).await.err().unwrap().to_string();
        assert_eq!(said, "no cluster to talk to: there is no kubeconfig /none/such, and this is no pod");
    }
}
