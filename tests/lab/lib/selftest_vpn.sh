# shellcheck shell=bash disable=SC2154
# Checks of the internet, the VPN servers, the candidates, the faults and the shipper; runs inside selftest (its check, k, ns).
page() { timeout 20 "$BIN/kubectl" --kubeconfig "$KUBECONFIG_ADMIN" -n "$ns" exec "$1" -c app -- timeout 5 wget -qO- "http://$(server_ip web)/${2:-}"; } # POD [PATH]
sees() { local got; got=$(page "$1") && [ "$got" = "$2" ] || { echo "the web server saw '${got:-nothing}'"; return 1; }; } # POD ADDRESS
no_page() { ! page "$1" >/dev/null 2>&1; }
bytes() { local n; n=$(page "$1" bytes/1000000 | wc -c); [ "$n" = 1000000 ] || { echo "$n bytes"; return 1; }; }
logged() { k logs "$1" -c vpn --since="${3:-30s}" | grep -q -- "$2"; } # POD TEXT [SINCE]
packets() { test "$(tcpdump -nr "$1" "$3" 2>/dev/null | wc -l)" "$2" 0; } # FILE -eq|-gt FILTER
kafka_events() { # JQ_FILTER: over the events of this namespace, with the key as .key
  # Bounded twice: the topic may be quiet, or other pods may never stop logging.
  { timeout 12 "$(find_java 17)/bin/java" -Dorg.slf4j.simpleLogger.defaultLogLevel=error -cp "$KAFKA_DIR/libs/*" org.apache.kafka.tools.consumer.ConsoleConsumer \
    --bootstrap-server 127.0.0.1:9092 --topic "$KAFKA_TOPIC" --from-beginning --timeout-ms 3000 \
    --property print.key=true --property key.separator=' ' 2>/dev/null || true; } | grep -F "\"namespace\":\"$ns\"" | sed -E 's/^([^ ]+) \{/{"key":"\1",/' | jq -se "$1"
}

selftest_vpn() {
  local f=$LAB_DIR/selftest p jwt
  echo "-- internet"
  faults_clear >/dev/null; images >/dev/null
  if alive bao; then pools_publish >/dev/null; else pools_files; fi
  mkdir -p "$f"
  k create secret generic candidates --from-file=entry-a.ovpn="$POOLS/entry/a.ovpn" --from-file=entry-d.ovpn="$POOLS/entry/d.ovpn" \
    --from-file=exit-a.ovpn="$POOLS/exit/a.ovpn" --from-file=middle-a.conf="$POOLS/middle/a.conf" >/dev/null
  k apply -f "$LAB_SRC/manifests/clients.yaml" >/dev/null
  k wait --for=condition=Ready pod direct entry-a entry-d exit-a middle-a --timeout=60s >/dev/null || k get pods >&2
  check "/dev/net/tun is 0666 in the node" has '^666 character special' in_node stat -c '%a %F' /dev/net/tun
  check "the host has no route to the segment" sh -c "! ip route show $SEGMENT | grep -q ."
  check "the router has no route to pods" sh -c "! '$LAB_SRC/lab.sh' internet router ip route | grep -F 10.244"
  check "a pod without a tunnel comes as the node" sees direct "$NODE_PUBLIC"
  check "OpenVPN with a password, UDP: the page saw entry" sees entry-a "$(server_ip entry)"
  check "OpenVPN with a password, TCP: the page saw entry2" sees entry-d "$(server_ip entry2)"
  check "OpenVPN with a certificate: the page saw exit" sees exit-a "$(server_ip exit)"
  check "boringtun as uid 65534 without capabilities: the page saw middle" sees middle-a "$(server_ip middle)"
  for p in entry-a entry-d exit-a middle-a; do check "1 MB through $p" bytes $p; done
  capture start selftest-node inet0 "$f/node.pcap" >/dev/null; capture start selftest-net internet "$f/net.pcap" >/dev/null
  page entry-a >/dev/null || true; sleep 0.3
  capture stop selftest-node >/dev/null; capture stop selftest-net >/dev/null
  check "capture at the node: tunnel packets" packets "$f/node.pcap" -gt "host $(server_ip entry) and udp port $VPN_PORT"
  check "capture at the node: no page in the clear" packets "$f/node.pcap" -eq "host $(server_ip web)"
  check "capture on the internet: the page, asked by entry" packets "$f/net.pcap" -gt "host $(server_ip entry) and host $(server_ip web)"
  if [ -e "$LAB_DIR/images/lab.local_hopkeeper_1.tar" ]; then
    k run nft --image=lab.local/hopkeeper:1 --restart=Never --command -- nft --version >/dev/null
    k run iproute --image=lab.local/hopkeeper:1 --restart=Never --command -- ip -V >/dev/null
    check "hopkeeper image: nft runs" has 'nftables v' k logs nft; check "hopkeeper image: ip runs" has iproute2 k logs iproute
  fi
  k run wireguard-go --image=lab.local/wireguard-go:1 --restart=Never --command -- wireguard-go --version >/dev/null
  check "wireguard-go image runs" has 'wireguard-go' k logs wireguard-go

  echo "-- faults"
  fault revoke-password entry a >/dev/null; check "revoke-password: AUTH_FAILED" logged entry-a AUTH_FAILED
  check "revoke-password: no page" no_page entry-a
  check "revoke-password leaves the second server's clients alone" sees entry-d "$(server_ip entry2)"
  fault restore-password entry a >/dev/null; check "restore-password: the page again" sees entry-a "$(server_ip entry)"
  fault replace-peer-key middle a >/dev/null; check "replace-peer-key: no page" no_page middle-a
  fault restore-peer-key middle a >/dev/null; check "restore-peer-key: the page again" sees middle-a "$(server_ip middle)"
  fault revoke-cert exit a >/dev/null; check "revoke-cert: the server says so" grep -q 'certificate revoked' "$LOG/vpn-exit-udp.log"
  fault restore-cert exit a >/dev/null; check "restore-cert: the page again" sees exit-a "$(server_ip exit)"
  fault expire-cert exit a >/dev/null; check "expire-cert: the server says so" grep -q 'certificate has expired' "$LOG/vpn-exit-udp.log"
  fault unexpire-cert exit >/dev/null; check "unexpire-cert: the page again" sees exit-a "$(server_ip exit)"
  fault expire-server-cert exit >/dev/null; check "expire-server-cert: the client says so" logged exit-a 'VERIFY ERROR.*certificate has expired'
  fault unexpire-server-cert exit >/dev/null; check "unexpire-server-cert: the page again" sees exit-a "$(server_ip exit)"
  fault delay web 300 >/dev/null; check "delay: a page takes 0.6 s or more" slow direct 0.6
  fault delay web 0 >/dev/null; check "delay 0: a page comes at once" quick direct 0.6
  fault stop entry2 >/dev/null; check "stop: the TCP client is refused" logged entry-d 'Connection refused'
  fault start entry2 >/dev/null; check "start: the page again" sees entry-d "$(server_ip entry2)"
  fault link-down web >/dev/null; check "link-down: no page" no_page direct
  check "faults lists it" has '^link-down web' faults_list
  check "faults clear" has '1 undone' faults_clear; check "faults clear: the page again" sees direct "$NODE_PUBLIC"

  if alive bao; then
    echo "-- pools"
    check "each hop has four candidates" sh -c "for h in entry middle exit; do [ \$(BAO_ADDR=http://127.0.0.1:$BAO_PORT BAO_TOKEN=$BAO_TOKEN '$BIN/bao' kv list -format=json -mount=secret vpn/\$h | jq length) = 4 ] || exit 1; done"
    check "publishing again changes no version" has '0 written, 12 unchanged' pools_publish
    k create serviceaccount hopkeeper >/dev/null; jwt=$(k create token hopkeeper)
    bao_login() { curl -sf "http://127.0.0.1:$BAO_PORT/v1/auth/$1/login" -d "$2" | jq -er .auth.client_token; }
    bao_get() { curl -s -o /dev/null -w '%{http_code}' -H "X-Vault-Token: $1" "${@:3}" "http://127.0.0.1:$BAO_PORT/v1/$2"; }
    p=$(bao_login kubernetes "{\"role\":\"hopkeeper\",\"jwt\":\"$jwt\"}")
    check "Kubernetes auth as service account hopkeeper reads a candidate" test "$(bao_get "$p" secret/data/vpn/entry/a)" = 200
    check "and lists candidates" test "$(bao_get "$p" 'secret/metadata/vpn/entry?list=true')" = 200
    check "and may not write one" test "$(bao_get "$p" secret/data/vpn/entry/a -d '{"data":{"x":"y"}}')" = 403
    p=$(bao_login approle "{\"role_id\":\"$(cat "$POOLS/approle/role-id")\",\"secret_id\":\"$(cat "$POOLS/approle/secret-id")\"}")
    check "AppRole hopkeeper reads a candidate" test "$(bao_get "$p" secret/data/vpn/exit/a)" = 200
  fi
  if alive shipper && alive kafka; then
    echo "-- shipper"
    p=$(k get pod entry-a -o 'jsonpath={.metadata.uid}')
    check "a client's lines are in Kafka, keyed by pod UID, with Filebeat's fields" kafka_events "map(select(.key==\"$p\" and .kubernetes.pod.uid==.key and .kubernetes.container.name==\"vpn\" and .stream==\"stdout\"
      and .kubernetes.labels.\"hopkeeper_io/chain\"==\"selftest\" and .\"@metadata\".beat==\"filebeat\" and (.message|test(\"AUTH_FAILED\")))) | length > 0"
    check "boringtun's three lines are one event" kafka_events 'map(select(.kubernetes.pod.name=="middle-a" and .log.flags==["multiline"] and (.message|test("^  2.*\n    at .*\n$")))) | length > 0'
    check "no line is missing or doubled" all_lines_shipped
    kill -9 "$(pid_of shipper)"; fault revoke-password entry a >/dev/null; sleep 3; faults_clear >/dev/null; shipper_up 2>/dev/null
    check "shipper killed with -9: no line is missing" all_lines_shipped 'unique_by(.log.offset)'
    check "only containers vpn and health are shipped" kafka_events '(length > 0) and all(.kubernetes.container.name | IN("vpn","health"))'
  fi
  rm -rf "$f"
}
slow() { local a b; a=$(date +%s%N); page "$1" >/dev/null || return 1; b=$(date +%s%N); awk -v a="$a" -v b="$b" -v w="$2" 'BEGIN{exit !((b-a)/1e9 >= w)}'; } # POD SECONDS
quick() { ! slow "$@"; }
all_lines_shipped() { # [JQ_FILTER] what kubectl logs shows = what is in Kafka, in order
  local a b; a=$(k logs entry-a -c vpn)
  b=$(kafka_events "map(select(.key==\"$(k get pod entry-a -o 'jsonpath={.metadata.uid}')\"))"' | map(select(.kubernetes.container.name=="vpn")) | sort_by(.log.offset) | '"${1:-.}"' | map(.message)' | jq -r '.[]')
  [ -n "$a" ] && [ "$a" = "$b" ] || { diff <(echo "$a") <(echo "$b") | head -5; return 1; }
}
