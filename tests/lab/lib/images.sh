# shellcheck shell=bash
# The images of a hop's pod. All but health and app hold one program and its libraries, no shell.
images() { # [HOPKEEPER_BINARY]
  local bin=${1:-${CARGO_TARGET_DIR:-$LAB_SRC/../../target}/debug/hopkeeper} t
  need openvpn wireguard-go wg nft ip; [ -x "$BORINGTUN" ] || die "not built yet (run: lab.sh build core)"
  t=$(mktemp -d)
  if [ -x "$bin" ]; then
    strip -o "$t/hopkeeper" "$bin" 2>/dev/null || cp "$bin" "$t/hopkeeper" # a debug binary is ten times larger with its symbols
    build_image hopkeeper --bare --entrypoint /usr/local/bin/hopkeeper "$t/hopkeeper" /etc/ssl/certs/ca-certificates.crt=/etc/ssl/certs/ca-certificates.crt "$(command -v nft)=/usr/sbin/nft" "$(readlink -f "$(command -v ip)")=/usr/sbin/ip" "$(readlink -f "$(command -v bridge)")=/usr/sbin/bridge"
  elif [ $# -gt 0 ]; then die "no program at $bin"
  else say "no program at $bin: lab.local/hopkeeper:1 not built"; fi
  rm -rf "$t"
  build_image openvpn --bare --entrypoint /usr/sbin/openvpn "$(command -v openvpn)=/usr/sbin/openvpn"
  build_image boringtun "$BORINGTUN=/usr/local/bin/boringtun-cli"
  build_image wireguard-go --bare --entrypoint /usr/bin/wireguard-go "$(command -v wireguard-go)=/usr/bin/wireguard-go"
  build_image health "$(command -v wg)=/usr/bin/wg"
  build_image app "$(readlink -f "$(command -v ip)")=/usr/sbin/ip"
}
