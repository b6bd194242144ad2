# shellcheck shell=bash
# podman with a storage of its own, below LAB_DIR: nothing of the machine's own podman is touched.
STORE=${LAB_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/hopkeeper-lab}/podman
in_store() {
  command podman --root "$STORE/storage" --runroot "$STORE/run" --tmpdir "$STORE/tmp" --cgroup-manager cgroupfs --events-backend none "$@"
}
# How an image is built with what the store has in place of registries (build.sh): base images, and compiled programs.
# shellcheck disable=SC2034
IN_PLACE=(--isolation chroot --network host --pull=never --build-context "program=$STORE/given/program" --build-context "crate=$STORE/given/crate")
