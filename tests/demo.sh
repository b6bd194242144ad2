#!/usr/bin/env bash
# The main job, told step by step on the lab's real cluster: a chain comes up, its entry is refused, and heals.
# Run by `make demo`, which brings the lab up first.
set -euo pipefail
cd "$(dirname "$0")/.."
LAB=tests/lab/lab.sh
BIN=${CARGO_TARGET_DIR:-target}/debug/hopkeeper
LAB_DIR=${LAB_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/hopkeeper-lab}
NS=hopkeeper-demo
eval "$($LAB kubectl-env)"

bold() { printf '\n\033[1m%s\033[0m\n' "$*"; }
note() { printf '  %s\n' "$*"; }
run() { printf '  \033[2m$ %s\033[0m\n' "$*"; "$@" 2>&1 | sed 's/^/    /'; }
k() { kubectl -n "$NS" "$@"; }
page() { # waits for a page; prints the address that the web server saw
  local i seen; for ((i = 0; i < 600; i++)); do
    seen=$(k logs app --tail=1 2>/dev/null || true)
    case $seen in ok\ *) echo "${seen#ok }"; return ;; esac; sleep 0.1
  done; echo "no page within a minute" >&2; return 1
}
incident() { # HOP PHASE: waits for an incident, prints its name
  local i name; for ((i = 0; i < 1200; i++)); do
    name=$(k get hopincidents -o json | jq -r --arg h "$1" --arg p "$2" --arg t "$SINCE" \
      '[.items[] | select(.spec.hop == $h and .status.phase == $p and .spec.last.time > $t and ($p != "Recovered" or (.status.steps | length) > 0))][0].metadata.name // empty')
    [ -z "$name" ] || { echo "$name"; return; }; sleep 0.1
  done; echo "no incident of $1 in phase $2 within two minutes" >&2; return 1
}
now() { date -u +%Y-%m-%dT%H:%M:%S.%6NZ; }

OPERATOR=
finish() {
  $LAB faults clear >/dev/null || true
  if [ -n "$OPERATOR" ]; then
    k delete vpnchain --all --timeout=60s >/dev/null 2>&1 || true
    kill "$OPERATOR" 2>/dev/null || true; wait "$OPERATOR" 2>/dev/null || true
  fi
  kubectl delete namespace "$NS" --wait=false >/dev/null 2>&1 || true
}
trap finish EXIT

bold "1. A cluster that knows VpnChain"
kubectl delete namespace "$NS" --ignore-not-found --timeout=90s >/dev/null
$LAB faults clear >/dev/null
kubectl create namespace "$NS" >/dev/null
run "$BIN" crd --apply
note "The pools: entry and middle in OpenBao (secret/vpn/...), exit in a plain Secret."
run "$BIN" pool add "secret:$NS/exit-pool" "$LAB_DIR/pools/exit"
images=(); for i in hopkeeper openvpn boringtun wireguard-go health; do images+=("--image-$i" "lab.local/$i:1"); done
"$BIN" run --namespace "$NS" --lease-namespace "$NS" --kafka-brokers 127.0.0.1:9092 --kafka-group "$NS-$$" \
  --vault-address http://127.0.0.1:8200 --vault-auth token --vault-credential-file "$LAB_DIR/pools/token" \
  --listen 127.0.0.1:0 --status-listen 127.0.0.1:0 "${images[@]}" >"$LAB_DIR/log/demo-operator.log" 2>&1 &
OPERATOR=$!
note "The operator runs (log: $LAB_DIR/log/demo-operator.log)."

bold "2. A chain of three hops: OpenVPN inside WireGuard inside OpenVPN"
run "$BIN" validate examples/berlin.yaml
run kubectl -n "$NS" apply -f examples/berlin.yaml
k wait vpnchain/berlin --for=jsonpath='{.status.phase}'=Up --timeout=120s >/dev/null
run kubectl -n "$NS" get vpnchains
run kubectl -n "$NS" get pods

bold "3. An application on the gateway network, with no other way out"
k apply -f - >/dev/null <<'T'
apiVersion: v1
kind: Pod
metadata:
  name: app
  labels: { hopkeeper.io/gateway: berlin }
  annotations: { k8s.v1.cni.cncf.io/networks: berlin-gateway }
spec:
  terminationGracePeriodSeconds: 0
  containers:
    - name: app
      image: lab.local/app:1
      command: [sh, -c, 'while :; do a=$(timeout 1 wget -q -O - http://198.51.100.80/ 2>/dev/null) && echo "ok $a" || echo down; sleep 0.1; done']
T
note "The web server saw $(page): the exit hop's server, not this cluster."

bold "4. The entry's server stops accepting its password"
SINCE=$(now)
run $LAB fault revoke-password entry a
name=$(incident entry Recovered)
note "The entry hop's client logged it; the line came through Kafka; a rule knew what it means:"
k get hopincident "$name" -o json | jq -r '"    " + .spec.line, "    rule \(.spec.rule): \(.spec.title)", "    verdict \(.spec.verdict), evidence \(.spec.evidence)"'
note "New parameters from Vault, loaded into the running client:"
k get hopincident "$name" -o json | jq -r '.status.steps[] | "    \(.action) to candidate \(.candidate.name), decided \(.startedAt), written \(.appliedAt): \(.outcome)"'
note "The web server sees $(page) again; the pods are the same ones:"
run kubectl -n "$NS" get pods

bold "5. The entry's server falls off the net: every hop looks broken, one is repaired"
$LAB faults clear >/dev/null; SINCE=$(now)
server=entry; case $(k get secret berlin-entry-parameters -o jsonpath='{.metadata.labels.hopkeeper\.io/candidate}') in c | d) server=entry2 ;; esac
run $LAB fault link-down $server
incident middle Held >/dev/null; incident exit Held >/dev/null
run kubectl -n "$NS" get hopincidents --sort-by=.spec.last.time
incident entry Recovered >/dev/null
note "The web server sees $(page) again. The whole story:"
k wait vpnchain/berlin --for=jsonpath='{.status.phase}'=Up --timeout=120s >/dev/null
run kubectl -n "$NS" get hopincidents --sort-by=.spec.last.time
run kubectl -n "$NS" get vpnchains

bold "6. Gone"
$LAB faults clear >/dev/null
k delete pod app --wait >/dev/null
run kubectl -n "$NS" delete vpnchain berlin
left() { k get deployments,pods,secrets,configmaps,network-attachment-definitions -l hopkeeper.io/chain=berlin -o name 2>/dev/null | wc -l; }
for ((i = 0; i < 100; i++)); do [ "$(left)" != 0 ] || break; sleep 0.2; done # Kubernetes collects what the chain owned
note "Objects of the chain that are left: $(left)."
note "\`make lab-down\` removes the lab; \`make test\` runs every scenario."
