# shellcheck shell=bash
# The topic, and who may do what with it. Every command may be repeated.
cat >/tmp/client.properties <<T
security.protocol=SASL_PLAINTEXT
sasl.mechanism=PLAIN
sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required username="admin" password="$KAFKA_ADMIN_PASSWORD";
T
to() { /opt/kafka/bin/"$1" --bootstrap-server "$BROKER" --command-config /tmp/client.properties "${@:2}"; }
until to kafka-topics.sh --list >/dev/null; do echo "waiting for $BROKER"; sleep 3; done
to kafka-topics.sh --create --if-not-exists --topic "$TOPIC" --partitions "$PARTITIONS" --replication-factor 1
# A topic that is there keeps its partitions. Both commands below take the name for a pattern.
pattern=${TOPIC//./\\.}
described=$(to kafka-topics.sh --describe --topic "$pattern")
[[ $described =~ PartitionCount:[[:space:]]*([0-9]+) ]] || { echo "no count of partitions in: $described" >&2; exit 1; }
there=${BASH_REMATCH[1]}
if [ "$there" -lt "$PARTITIONS" ]; then
  to kafka-topics.sh --alter --topic "$pattern" --partitions "$PARTITIONS"
  echo "$TOPIC has $PARTITIONS partitions now, after $there"
elif [ "$there" -gt "$PARTITIONS" ]; then
  echo "$TOPIC keeps its $there partitions: Kafka cannot take any away, so $PARTITIONS is not what it has"
fi
to kafka-acls.sh --add --allow-principal User:filebeat --producer --topic "$TOPIC"
to kafka-acls.sh --add --allow-principal User:hopkeeper --operation Read --operation Describe --topic "$TOPIC"
# Every group whose name begins so: `hopkeeper replay` has one of its own.
to kafka-acls.sh --add --allow-principal User:hopkeeper --operation Read --group "$GROUP" --resource-pattern-type prefixed
echo "the topic and its rights are there"
