# shellcheck shell=bash
# The images of a hop's pod, and of the operator's: those that the Containerfiles make. The tests' own application is a tool's.
images() { # [HOPKEEPER_BINARY]
  local bin=${1:-${CARGO_TARGET_DIR:-$LAB_SRC/../../target}/debug/hopkeeper} name file
  need podman mmdebstrap strip; [ -x "$BORINGTUN" ] || die "not built yet (run: lab.sh build core)"
  [ -x "$bin" ] || [ $# -eq 0 ] || die "no program at $bin"
  "$LAB_SRC/../images/build.sh" "$bin" "$BORINGTUN" || die "the images were not built"
  mkdir -p "$LAB_DIR/images"
  for name in hopkeeper openvpn boringtun wireguard-go health; do
    file=$LAB_DIR/images/lab.local_${name}_1.tar
    [ -e "$LAB_DIR/podman/$name.tar" ] || continue
    # A link, which stays as it is when the image is built anew.
    ln -f "$LAB_DIR/podman/$name.tar" "$file"
    ! alive containerd || import_image "$file"
    echo "lab.local/$name:1"
  done
  build_image app "$(readlink -f "$(command -v ip)")=/usr/sbin/ip"
}
