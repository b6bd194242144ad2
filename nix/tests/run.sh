#!/usr/bin/env bash
# What can be checked of the nix expressions without nixpkgs: each parses, and the flake evaluates on a stub of nixpkgs that knows
# each argument. That the Containerfiles make the same images is tests/images.rs's. Needs nix-instantiate (Debian: nix-bin).
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
fail() { echo "nix/tests/run.sh: $*" >&2; exit 1; }
missing() { [ -z "${CI:-}" ] || fail "$1"; echo "skipped: $1" >&2; }

log=$(mktemp); trap 'rm -f "$log"' EXIT
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
  echo "nix: parsed, and evaluated on the stub: $(jq -r '[.images[].name] | join(", ")' <<<"$evaluated")"
else missing "nix-instantiate is not installed (apt-get install nix-bin)"; fi
