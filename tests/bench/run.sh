#!/usr/bin/env bash
# The engine's figures, beside its peers', on one core. usage: run.sh [LINES [SEED...]]
set -euo pipefail
cd "$(dirname "$0")"
lines=${1:-200000}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

missing=()
[ -e /usr/include/hs/hs.h ] || missing+=(libvectorscan-dev)
command -v rg >/dev/null || missing+=(ripgrep)
command -v g++ >/dev/null || missing+=(g++)
command -v sec >/dev/null || missing+=(sec)
command -v fail2ban-regex >/dev/null || missing+=(fail2ban)
if [ ${#missing[@]} -gt 0 ]; then
  { [ "$(id -u)" = 0 ] && apt-get update -q >/dev/null && apt-get install -y -q "${missing[@]}" >/dev/null; } ||
    echo "bench: install ${missing[*]} to see them in the table" >&2
fi
if [ -e /usr/include/hs/hs.h ]; then
  g++ -O3 -march=native -std=c++17 -o "$work/vectorscan" vectorscan.cc -lhs
fi
cargo build --release --locked
exec_on=("${CARGO_TARGET_DIR:-target}/release/engine-bench" "$work" "$lines" "${@:2}")
# One core, the same for all.
taskset -c 0 "${exec_on[@]}"
