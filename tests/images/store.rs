//! The built images, mounted one after the other.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use serde_json::Value;

use super::images;
use super::needs::{is_root, pass_over};
use super::programs::which;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What a bash script prints, in the repository, with `in_store` for podman.
fn sh(script: &str) -> String {
    let script = format!(". tests/images/podman.sh; {script}");
    let output =
        Command::new("bash").args(["-euc", &script]).current_dir(root()).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Whether the images are there: built once for all tests, unless something is missing that `CI` has.
pub(crate) fn is_built() -> bool {
    static MISSING: LazyLock<Option<String>> = LazyLock::new(|| {
        let program = ["nix-instantiate", "readelf", "setpriv"].into_iter().find(|program| which(program).is_none());
        if is_root() {
            program.map(str::to_owned).or_else(|| images::build(false).err())
        } else {
            Some("root".to_owned())
        }
    });
    if let Some(missing) = &*MISSING {
        pass_over(missing);
    }
    MISSING.is_none()
}

/// What nix asks `dockerTools` for, by the image's name.
pub(crate) fn by_nix() -> Value {
    let all: Value =
        serde_json::from_str(&sh("nix-instantiate --eval --strict --json nix/tests/evaluate.nix")).unwrap();
    all["images"].clone()
}

/// What podman says of an image.
pub(crate) fn inspect(name: &str) -> Value {
    let all: Value =
        serde_json::from_str(&sh(&format!("in_store image inspect localhost/hopkeeper/{name}:0.1.0"))).unwrap();
    all[0].clone()
}

/// An image's root directory.
pub(crate) struct Mounted {
    name: String,
    pub(crate) root: PathBuf,
}

impl Mounted {
    pub(crate) fn new(name: &str) -> Self {
        let name = format!("localhost/hopkeeper/{name}:0.1.0");
        let root = sh(&format!("in_store image mount {name}")).into();
        Self { name, root }
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        sh(&format!("in_store image unmount {} >/dev/null", self.name));
    }
}
