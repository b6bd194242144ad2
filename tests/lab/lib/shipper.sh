# shellcheck shell=bash
# The shipper (tests/lab/shipper): this lab's stand-in for Filebeat. Built by cargo, from this package's example 'lab-shipper'.
SHIPPER=${CARGO_TARGET_DIR:-$LAB_SRC/../../target}/debug/examples/lab-shipper
shipper_build() {
  need cargo
  cargo build -q --manifest-path "$LAB_SRC/../../Cargo.toml" --example lab-shipper || die "the shipper did not build"
}
shipper_up() { shipper_start shipper "$LAB_DIR/shipper" "Kafka topic $KAFKA_TOPIC" --brokers 127.0.0.1:9092 --topic "$KAFKA_TOPIC"; }
shipper_down() { halt shipper 5; }
# A second one, with Filebeat's other output: the same lines also go to Elasticsearch.
shipper_es_build() { shipper_build; }
shipper_es_up() { shipper_start shipper_es "$LAB_DIR/shipper_es" "data stream $ES_STREAM" --elasticsearch "http://127.0.0.1:$ES_PORT" --stream "$ES_STREAM"; }
shipper_es_down() { halt shipper_es 5; }
shipper_start() { # NAME DIR WHERE OPTIONS...
  local name=$1 dir=$2 where=$3; shift 3
  alive "$name" && return
  [ -x "$SHIPPER" ] || [ -x "$dir/lab-shipper" ] || die "not built yet (run: lab.sh build shipper)"
  alive kube-apiserver || die "the cluster is not up (run: lab.sh up cluster)"
  local t; t=$(date +%s.%N)
  mkdir -p "$dir"
  [ -z "${LAB_CLEAN:-}" ] || rm -f "$dir/registry.json"
  # A copy: cargo replaces the program while it runs.
  [ ! -x "$SHIPPER" ] || { install -m 755 "$SHIPPER" "$dir/lab-shipper.new"; mv "$dir/lab-shipper.new" "$dir/lab-shipper"; }
  spawn "$name" "$dir/lab-shipper" --root "$NODE_FS" --kubeconfig "$KUBECONFIG_ADMIN" --registry "$dir/registry.json" --node "$NODE" "$@"
  await "$name" 20 grep -q ready "$LOG/$name.log"
  say "$name up in $(seconds_since "$t") s: logs of hop pods -> $where"
}
