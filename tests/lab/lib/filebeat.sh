# shellcheck shell=bash
# Filebeat: Elastic's own code, from the Go module proxy (tests/lab/filebeat). It runs in the node with our configurations
# (filebeat/*.yml) as they are, and with the rights that the chart gives it.
FILEBEAT=$BIN/filebeat

filebeat_build() {
  need go
  local is t commit
  is=$(cat "$LAB_SRC"/filebeat/{main.go,go.mod,go.sum} | sha256sum | cut -c -16)
  [ ! -e "$BIN/.filebeat-$is" ] || return 0
  t=$(date +%s.%N)
  say "building Filebeat (minutes when the Go cache is cold)"
  commit=$(sed -n 's#^.*/beats/v7 v.*-\([0-9a-f]*\)$#\1#p' "$LAB_SRC/filebeat/go.mod")
  CGO_ENABLED=0 go build -C "$LAB_SRC/filebeat" -mod=readonly -buildvcs=false -trimpath \
    -ldflags "-s -w -X github.com/elastic/beats/v7/libbeat/version.commit=$commit" -o "$FILEBEAT" .
  rm -f "$BIN"/.filebeat-*; touch "$BIN/.filebeat-$is"
  say "Filebeat built in $(seconds_since "$t") s"
}
# filebeat_command DIR OUTPUT [VARIABLE=VALUE...] [-- ARGUMENT...]: sets AS_ACCOUNT to what runs a Filebeat that keeps its state in DIR
# and has our configuration for this output.
filebeat_command() {
  local dir=$1 output=$2 variables=("NODE_NAME=$NODE"); shift 2
  [ -x "$FILEBEAT" ] || die "not built yet (run: lab.sh build shipper)"
  while [ $# -gt 0 ] && [ "$1" != -- ]; do variables+=("$1"); shift; done
  [ $# -eq 0 ] || shift
  mkdir -p "$dir"; dir=$(readlink -f "$dir")
  # It takes none that others may write to.
  install -m 600 "$LAB_SRC/../../filebeat/filebeat-$output.yml" "$dir/filebeat.yml"
  kc apply -f "$LAB_SRC/manifests/filebeat.yaml" >/dev/null
  as_account filebeat env "${variables[@]}" "$FILEBEAT" -e -c "$dir/filebeat.yml" --path.home "$dir" "$@"
}
filebeat_run() { filebeat_command "$@"; exec "${AS_ACCOUNT[@]}"; }
