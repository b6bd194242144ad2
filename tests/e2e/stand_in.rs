//! What stands for parts of a reader's machine that the lab has otherwise: the programs podman and ctr, and the servers from which
//! files are fetched. A document's commands are the same.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use axum::Router;
use axum::http::{StatusCode, Uri};

use crate::lab;

/// The lab's own store of images, in which stands what registries would give (`tests/images/build.sh`). A container from which a file
/// was copied is removed: it would hold its image for ever.
const PODMAN: &str = r#"
. "$ROOT/tests/images/podman.sh"
exec 8>"$STORE/lock"; flock 8
PATH=${PATH#*:} # Not this one again.
case $1 in
  build) in_store "$@" "${IN_PLACE[@]}" 8>&- ;;
  cp) in_store "$@" 8>&-; in_store rm "${2%%:*}" 8>&- >/dev/null ;;
  *) in_store "$@" 8>&- ;;
esac
"#;

/// The containerd of the lab's node.
const CTR: &str = r#"
CONTAINERD_SNAPSHOTTER=$(cat "${LAB_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/hopkeeper-lab}/run/conf/snapshotter")
export CONTAINERD_SNAPSHOTTER
PATH=${PATH#*:}
exec "$ROOT/tests/lab/lab.sh" node ctr -a /run/containerd/containerd.sock "$@"
"#;

/// Puts podman and ctr into a folder of programs.
pub fn programs(folder: &Path) {
    for (name, script) in [("podman", PODMAN), ("ctr", CTR)] {
        let script = format!("#!/usr/bin/env bash\nset -euo pipefail\nROOT={}{script}", lab::root().display());
        let file = folder.join(name);
        fs::write(&file, script).expect("it should be written");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("it should be made a program");
    }
}

/// Serves a folder's files for as long as the runtime lives; where.
pub async fn serve(folder: PathBuf) -> String {
    let file = move |uri: Uri| {
        let file = folder.join(uri.path().trim_start_matches('/'));
        async move { fs::read(file).map_err(|_| StatusCode::NOT_FOUND) }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port should be free");
    let address = listener.local_addr().expect("it should have an address");
    let server = axum::serve(listener, Router::new().fallback(file));
    tokio::spawn(async move { server.await.expect("it should serve") });
    format!("http://{address}")
}
