# shellcheck shell=bash
# The shipper (tests/lab/shipper): this lab's stand-in for Filebeat. Built by cargo, from this package's example 'lab-shipper'.
SHIPPER=${CARGO_TARGET_DIR:-$LAB_SRC/../../target}/debug/examples/lab-shipper
shipper_build() {
  need cargo
  cargo build -q --manifest-path "$LAB_SRC/../../Cargo.toml" --example lab-shipper || die "the shipper did not build"
}
shipper_up() {
  alive shipper && return
  [ -x "$SHIPPER" ] || [ -x "$LAB_DIR/shipper/lab-shipper" ] || die "not built yet (run: lab.sh build shipper)"
  alive kube-apiserver || die "the cluster is not up (run: lab.sh up cluster)"
  local t; t=$(date +%s.%N)
  mkdir -p "$LAB_DIR/shipper"
  [ -z "${LAB_CLEAN:-}" ] || rm -f "$LAB_DIR/shipper/registry.json"
  # A copy: cargo replaces the program while it runs.
  [ ! -x "$SHIPPER" ] || { install -m 755 "$SHIPPER" "$LAB_DIR/shipper/lab-shipper.new"; mv "$LAB_DIR/shipper/lab-shipper.new" "$LAB_DIR/shipper/lab-shipper"; }
  spawn shipper "$LAB_DIR/shipper/lab-shipper" --root "$NODE_FS" --kubeconfig "$KUBECONFIG_ADMIN" --brokers 127.0.0.1:9092 --topic "$KAFKA_TOPIC" \
    --registry "$LAB_DIR/shipper/registry.json" --node "$NODE"
  await shipper 20 grep -q ready "$LOG/shipper.log"
  say "shipper up in $(seconds_since "$t") s: logs of hop pods -> Kafka topic $KAFKA_TOPIC"
}
shipper_down() { halt shipper 5; }
