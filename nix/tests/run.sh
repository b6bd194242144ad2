#!/usr/bin/env bash
# What can be checked of the images without nixpkgs and without a container engine: every expression parses; the flake
# evaluates on a stub of nixpkgs that knows each argument; the Containerfiles hold the same programs; and those programs run
# in a root that collect.sh made, with nothing else in it. Needs nix-instantiate (Debian: nix-bin) and root for chroot.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
fail() { echo "nix/tests/run.sh: $*" >&2; exit 1; }
missing() { [ -z "${CI:-}" ] || fail "$1"; echo "skipped: $1" >&2; }

log=$(mktemp) root=$(mktemp -d); trap 'rm -rf "$root" "$log"' EXIT
if command -v nix-instantiate >/dev/null; then
  find . -name '*.nix' | sort | while read -r file; do nix-instantiate --parse "$file" >/dev/null 2>&1 || fail "$file does not parse"; done
  evaluated=$(nix-instantiate --eval --strict --json tests/evaluate.nix 2>"$log" || { cat "$log" >&2; exit 1; })
  check() { jq -e "$1" <<<"$evaluated" >/dev/null || fail "not so: $1"; }
  check '.packages | keys == ["aarch64-linux", "x86_64-linux"]'
  check '.packages["x86_64-linux"] | keys == ["boringtun", "health", "hopkeeper", "openvpn", "wireguard-go"]'
  check '.sboms["aarch64-linux"].openvpn == "hopkeeper/openvpn-0.1.0.cdx.json"'
  check 'all(.images[]; .created == "1970-01-01T00:00:01Z" and .tag == "0.1.0")'
  # Root only where the program makes its own interface; the pods say so too.
  check '[.images[] | select(.config.User == "0:0") | .name] == ["hopkeeper/wireguard-go"]'
  check '[.images[] | select(.contents | tostring | test("/bin/busybox")) | .name] == ["hopkeeper/boringtun", "hopkeeper/health"]'
  # The chart asks for these names, with this tag.
  chart=../helm/hopkeeper
  [ "$(sed -n 's/^appVersion: "\(.*\)"/\1/p' $chart/Chart.yaml)" = "$(jq -r .images.openvpn.tag <<<"$evaluated")" ] || fail "the chart's appVersion is another"
  for name in $(jq -r '.images[].name' <<<"$evaluated"); do grep -q ": $name\$" $chart/values.yaml || fail "the chart asks for no $name"; done
  # Both ways hold the same programs.
  for pair in openvpn:ovpn-build-image boringtun:wguard-build-image wireguard-go:wguard-build-image health:health-build-image hopkeeper:hopkeeper-build-image; do
    image=${pair%%:*} file=${pair#*:}/Containerfile
    programs=$(jq -r --arg i "$image" '.images[$i].contents[0]' <<<"$evaluated" | sed -n 's|^ *add \([a-z-]*\) /.*|\1|p')
    [ -n "$programs" ] || fail "no program was found in $image"
    for program in $programs; do
      grep -Eq "[ ]$program=" "$file" || fail "$file has no $program"
    done
    grep -q "^USER $(jq -r --arg i "$image" '.images[$i].config.User' <<<"$evaluated")\$" "$file" || fail "$file has another user for $image"
  done
  echo "nix: parsed, and evaluated on the stub: $(jq -r '[.images[].name] | join(", ")' <<<"$evaluated")"
else missing "nix-instantiate is not installed (apt-get install nix-bin)"; fi

# The Containerfiles' one step that can be run anywhere.
if [ "$(id -u)" = 0 ] && command -v openvpn wg wireguard-go nft ip bridge busybox >/dev/null; then
  sh lib/collect.sh "$root" openvpn="$(command -v openvpn)" wireguard-go="$(command -v wireguard-go)" sh=/bin/busybox date=/bin/busybox \
    wg="$(command -v wg)" nft="$(command -v nft)" ip="$(command -v ip)" bridge="$(command -v bridge)"
  # OpenVPN leaves with 1 after its version.
  { chroot "$root" /bin/openvpn --version || true; } | grep -q '^OpenVPN 2' || fail "openvpn does not run in its own root"
  chroot "$root" /bin/sh -c 'umask 0; exec date +%s' >/dev/null || fail "busybox does not run"
  for command in 'wg --version' 'nft --version' 'ip -V' 'bridge -V' 'wireguard-go --version'; do
    # shellcheck disable=SC2086 # words
    chroot "$root" /bin/$command >/dev/null 2>&1 || fail "$command does not run in its own root"
  done
  echo "collect.sh: openvpn, wireguard-go, wg, nft, ip, busybox run in $(du -sh "$root" | cut -f1) with nothing else"
else missing "the programs of the images are not installed, or this is not root"; fi
