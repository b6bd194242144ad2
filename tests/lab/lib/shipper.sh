# shellcheck shell=bash
# The shippers: two Filebeats (filebeat.sh), the same lines into Kafka and into Elasticsearch.
shipper_build() { filebeat_build; }
shipper_up() { shipper_start shipper kafka 5066 "Kafka topic $KAFKA_TOPIC" "KAFKA_BROKERS=$HOST_IP:9094" "KAFKA_TOPIC=$KAFKA_TOPIC"; }
shipper_down() { halt shipper; }
shipper_es_build() { filebeat_build; }
shipper_es_up() {
  alive shipper_es && return
  # What Elasticsearch's own template logs-*-* would do, which this server lacks.
  jq -n --arg stream "$ES_STREAM" '{index_patterns: [$stream], data_stream: {}, priority: 400, template:
      {settings: {number_of_replicas: 0}, mappings: {properties: {"@timestamp": {type: "date"}}}}}' |
    curl -sSf -o /dev/null -X PUT -H 'content-type: application/json' --data-binary @- "http://127.0.0.1:$ES_PORT/_index_template/$ES_STREAM" || die "Elasticsearch is not up (run: lab.sh up es)"
  shipper_start shipper_es elasticsearch 5067 "data stream $ES_STREAM" "ELASTICSEARCH_URL=http://$HOST_IP:$ES_PORT" "ELASTICSEARCH_INDEX=$ES_STREAM"
}
shipper_es_down() { halt shipper_es; }
shipper_start() { # NAME OUTPUT PORT WHERE VARIABLE=VALUE...
  local name=$1 output=$2 port=$3 where=$4 dir=$LAB_DIR/$1 t log; shift 4
  alive "$name" && return
  alive kube-apiserver || die "the cluster is not up (run: lab.sh up cluster)"
  t=$(date +%s.%N)
  [ -z "${LAB_CLEAN:-}" ] || rm -rf "$dir/data"
  filebeat_command "$dir" "$output" "$@" -- -E http.enabled=true -E "http.port=$port"
  # A line of a pod that nobody knows: when it has arrived, so will all others.
  log=$NODE_FS/var/log/pods/lab_${name//_/-}_$(cat /proc/sys/kernel/random/uuid)
  mkdir -p "$log/health"; printf '%s stdout F the lab begins to ship lines\n' "$(date -u +%FT%T.%NZ)" >"$log/health/0.log"
  spawn "$name" "${AS_ACCOUNT[@]}"
  await "$name" 120 shipper_ships "$port"
  rm -rf "$log"
  say "$name up in $(seconds_since "$t") s: logs of hop pods -> $where"
}
shipper_ships() { in_node curl -sf --max-time 2 "http://localhost:$1/stats" | jq -e '.libbeat.output.events.acked > 0'; }
