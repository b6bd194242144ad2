#!/usr/bin/env bash
# A provider of volumes on the node's own disk, Rancher's, for tests/e2e/scenarios/tutorial.rs: its program from the Go module proxy, as
# an image under the name that its manifest asks for, and that manifest, which keeps the volumes below LAB_DIR. Later runs find all of it.
set -euo pipefail
here=$(cd "$(dirname "$(readlink -f "$0")")" && pwd)
export LAB_DIR=${LAB_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/hopkeeper-lab}
module=github.com/rancher/local-path-provisioner
is=$(cat "$here/go.mod" "$here/go.sum" "$0" | sha256sum | cut -c -16)
[ ! -e "$LAB_DIR/.storage-$is" ] || exit 0
CGO_ENABLED=0 go build -C "$here" -mod=readonly -buildvcs=false -trimpath -ldflags '-s -w' -o "$LAB_DIR/bin/local-path-provisioner" $module
from=$(go list -C "$here" -mod=readonly -m -f '{{.Dir}}' $module)
sed "s|/opt/local-path-provisioner|$LAB_DIR/node/volumes|" "$from/deploy/local-path-storage.yaml" >"$LAB_DIR/local-path-storage.yaml"
version=$(sed -n 's|.*image: \(.*local-path-provisioner:.*\)|\1|p' "$LAB_DIR/local-path-storage.yaml")
"$here/../lab.sh" image "$version" --bare --env PATH=/usr/bin "$LAB_DIR/bin/local-path-provisioner=/usr/bin/local-path-provisioner"
# For the pods that make and remove a volume's folder.
"$here/../lab.sh" image docker.io/library/busybox:latest
rm -f "$LAB_DIR"/.storage-*; touch "$LAB_DIR/.storage-$is"
