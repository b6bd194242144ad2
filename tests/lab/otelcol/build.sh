#!/usr/bin/env bash
# A real OpenTelemetry Collector for tests/otlp.rs, from the Go module proxy, into LAB_DIR. Later runs find it there.
set -euo pipefail
here=$(cd "$(dirname "$(readlink -f "$0")")" && pwd)
BIN=${LAB_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/hopkeeper-lab}/bin
is=$(cat "$here/main.go" "$here/go.mod" "$here/go.sum" | sha256sum | cut -c -16)
[ -e "$BIN/.otelcol-$is" ] && exit 0
mkdir -p "$BIN"
CGO_ENABLED=0 go build -C "$here" -mod=readonly -buildvcs=false -trimpath -ldflags '-s -w' -o "$BIN/otelcol" .
rm -f "$BIN"/.otelcol-*; touch "$BIN/.otelcol-$is"
