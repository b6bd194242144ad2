#!/usr/bin/env bash
# What can be checked of a cluster's scripts without machines to make one of: kubeadm takes every configuration, the API
# server's schemas every manifest, and a real OpenBao the policies and the role. Needs tests/helm/tools.sh (LAB_DIR).
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
LAB_DIR=${LAB_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/hopkeeper-lab}
BIN=$LAB_DIR/bin
fail() { echo "k8s/tests/run.sh: $*" >&2; exit 1; }
missing() { [ -z "${CI:-}" ] || fail "$1"; echo "skipped: $1" >&2; }
work=$(mktemp -d)
bao=
finish() { [ -z "$bao" ] || { kill "$bao"; wait "$bao" 2>/dev/null || true; }; rm -rf "$work"; }
trap finish EXIT

# shellcheck source=k8s/versions.env
. ./versions.env
hash=sha256:$(printf x | sha256sum | cut -d' ' -f1) key=$(printf x | sha256sum | cut -d' ' -f1)
./20-init.sh 192.0.2.1 192.0.2.1 --print >"$work/single.yaml"
./20-init.sh 192.0.2.1 api.example --print >"$work/three.yaml"
./30-join.sh 192.0.2.2 api.example abcdef.0123456789abcdef "$hash" "" --print >"$work/worker.yaml"
./30-join.sh 192.0.2.3 api.example abcdef.0123456789abcdef "$hash" "$key" --print >"$work/control-plane.yaml"
! grep -nE '"(NODE_ADDRESS|ENDPOINT|TOKEN|CA_HASH|POD_CIDR|SERVICE_CIDR)|vKUBERNETES' "$work"/*.yaml || fail "a word in capitals was not filled in"
./20-init.sh 192.0.2.1 "" --print >/dev/null
if ./30-join.sh 192.0.2.2 "" "" "" "" --print >/dev/null 2>"$work/said"; then fail "an empty token was taken"; fi
grep -q 'is empty' "$work/said" || fail "an empty word is not named: $(cat "$work/said")"
if [ -x "$BIN/kubeadm" ]; then
  for file in "$work"/*.yaml; do "$BIN/kubeadm" config validate --config "$file" >"$work/said" 2>&1 || fail "$(basename "$file"): $(cat "$work/said")"; done
  "$BIN/kubeadm" config images list --kubernetes-version "v$KUBERNETES" | grep -qxF "$SANDBOX_IMAGE" || fail "versions.env names another sandbox image than kubeadm"
  # It does refuse what it should.
  sed 's/nodeRegistration/nodeRegistraton/' "$work/single.yaml" >"$work/wrong.yaml"
  if "$BIN/kubeadm" config validate --config "$work/wrong.yaml" >/dev/null 2>&1; then fail "kubeadm took a misspelt word"; fi
  rm "$work/wrong.yaml"
  echo "kubeadm $KUBERNETES takes: $(cd "$work" && echo *.yaml)"
else missing "$BIN/kubeadm is missing: run tests/helm/tools.sh"; fi
[ "v$KUBERNETES" = "$(sed -n 's/^K8S_VERSION=\(v[0-9.]*\).*/\1/p' ../tests/lab/lib/cluster.sh)" ] || fail "versions.env names another Kubernetes than the lab tests"
[ "$MULTUS" = "$(sed -n 's|.*/multus-cni\.v4 \(v[0-9.]*\).*|\1|p' ../tests/lab/cni/go.mod)" ] || fail "versions.env names another Multus than the lab runs"
# What becomes of the manifest of that release, which its module holds.
release=$(go mod download -C ../tests/lab/cni -json gopkg.in/k8snetworkplumbingwg/multus-cni.v4 | jq -r .Dir)
./40-network.sh --print <"$release/deployments/multus-daemonset-thick.yml" >"$work/multus.yaml"
[ "$(grep -cxF "          image: ghcr.io/k8snetworkplumbingwg/multus-cni:$MULTUS-thick" "$work/multus.yaml")" = 2 ] || fail "40-network.sh leaves Multus a moving image"
! grep -n '"50Mi"' "$work/multus.yaml" || fail "40-network.sh leaves Multus too little memory"
sed -n '/daemon-config.json: |/,/}/p' "$work/multus.yaml" | tail -n +2 | jq -e '.clusterNetwork == "k8s-pod-network" and .confDir == .cniConfigDir' >/dev/null ||
  fail "40-network.sh does not name Multus the cluster's network"

# Every script says how it is called, and none begins its work without what it needs.
for script in 20-init.sh 30-join.sh; do
  if ./$script >/dev/null 2>"$work/said"; then fail "$script ran without arguments"; fi
  grep -q usage: "$work/said" || fail "$script does not say how it is called"
done

# What kubeadm began and did not end is not called done, on a node whose /etc/kubernetes is a directory here.
mkdir "$work/node" "$work/node/bin"
cp -r ./*.sh versions.env kubeadm "$work/node"
sed -i "s#/etc/kubernetes#$work/node/etc#g" "$work/node"/*.sh
cat >"$work/node/bin/kubeadm" <<'T'
#!/bin/sh
[ "$1" = config ] || { echo x >"$MADE"; exit "$FAILS"; }
T
printf '#!/bin/sh\necho 0\n' >"$work/node/bin/id"
chmod +x "$work/node/bin"/*
node() { FAILS=$1 PATH=$work/node/bin:$PATH "$work/node/$2" "${@:3}" >"$work/said" 2>&1; }
again() {
  local script=$1; shift; export MADE=$work/node/etc/$1; shift
  rm -rf "$work/node/etc"; mkdir "$work/node/etc"
  if node 1 "$script" "$@"; then fail "$script passes over kubeadm's failure"; fi
  if node 0 "$script" "$@"; then fail "$script calls done what failed: $(cat "$work/said")"; fi
  grep -q 'failed: run kubeadm reset' "$work/said" || fail "$script does not say what helps: $(cat "$work/said")"
  rm "$MADE" # as kubeadm reset does
  if node 1 "$script" "$@"; then fail "$script passes over kubeadm's second failure"; fi
  rm "$MADE"
  node 0 "$script" "$@" || fail "$script fails after a reset: $(cat "$work/said")"
  node 1 "$script" "$@" || fail "$script does again what is done: $(cat "$work/said")"
  # A cluster that was made before anybody noted how it went.
  rm -rf "$work/node/etc"; mkdir "$work/node/etc"; echo x >"$MADE"
  node 1 "$script" "$@" || fail "$script does not leave an older cluster alone: $(cat "$work/said")"
}
again 20-init.sh admin.conf 192.0.2.1
again 30-join.sh kubelet.conf 192.0.2.2 api.example abcdef.0123456789abcdef "$hash"

# The nodes' addresses, as kubectl prints them for a cluster of both families and for one of IPv6 alone.
mkdir "$work/kubectl"
cat >"$work/kubectl/kubectl" <<'T'
#!/bin/sh
[ "$1" = version ] || printf '%b' "$NODES"
T
chmod +x "$work/kubectl/kubectl"
links() { NODES=$1 PATH=$work/kubectl:$PATH ./60-links.sh example/hopkeeper:1 --print; }
links '192.0.2.2 fd00::2\n192.0.2.1\n' >"$work/vxlan.yaml"
grep -qxF '  nodes: "192.0.2.1\n192.0.2.2\n"' "$work/vxlan.yaml" || fail "60-links.sh lists other nodes: $(grep nodes: "$work/vxlan.yaml")"
grep -qxF '          image: example/hopkeeper:1' "$work/vxlan.yaml" || fail "60-links.sh takes another image"
if links 'fd00::1\n' >/dev/null 2>"$work/said"; then fail "60-links.sh took a cluster without IPv4"; fi
grep -q 'no node has an internal IPv4 address' "$work/said" || fail "60-links.sh does not say what is missing: $(cat "$work/said")"
./50-devices.sh example/plugin:1 --print >"$work/devices.yaml"
grep -qxF '          image: example/plugin:1' "$work/devices.yaml" || fail "50-devices.sh takes another image"
[ "$HOPKEEPER_IMAGE" = "hopkeeper/hopkeeper:$(sed -n 's/^version = "\(.*\)"/\1/p' ../Cargo.toml | head -n 1)" ] || fail "versions.env names another Hopkeeper"

if [ -x "$BIN/bao" ]; then
  export BAO_ADDR=http://127.0.0.1:$((20000 + RANDOM % 20000)) BAO_TOKEN=root HOME=$work PATH=$BIN:$PATH
  "$BIN/bao" server -dev -dev-no-store-token -dev-root-token-id=root -dev-listen-address="${BAO_ADDR#http://}" >"$work/bao.log" 2>&1 & bao=$!
  for _ in $(seq 100); do "$BIN/bao" status >/dev/null 2>&1 && break; sleep 0.1; done
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$work/ca.key" -out "$work/ca.crt" -subj /CN=cluster -days 1 2>/dev/null
  export KUBERNETES_CA=$work/ca.crt
  for _ in 1 2; do vault/configure.sh https://192.0.2.1:6443 >"$work/said" 2>&1 || fail "configure.sh: $(cat "$work/said")"; done
  "$BIN/bao" read -format=json auth/kubernetes/role/hopkeeper | jq -e '.data.token_policies == ["hopkeeper"] and .data.bound_service_account_names == ["hopkeeper"]' >/dev/null || fail "the role is another"

  for key in a b; do "$BIN/bao" kv put -mount=secret vpn/entry/$key profile=x >/dev/null; done
  # What the operator's policy gives and what it does not.
  root=$BAO_TOKEN
  BAO_TOKEN=$("$BIN/bao" token create -policy=hopkeeper -field=token)
  [ "$("$BIN/bao" kv list -mount=secret -format=json vpn/entry | jq -c .)" = '["a","b"]' ] || fail "the operator cannot list"
  "$BIN/bao" kv get -mount=secret vpn/entry/b >/dev/null || fail "the operator cannot read"
  if "$BIN/bao" kv put -mount=secret vpn/entry/c config=x >/dev/null 2>&1; then fail "the operator may write"; fi
  if "$BIN/bao" kv get -mount=secret other/x >/dev/null 2>&1; then fail "the operator may read elsewhere"; fi
  BAO_TOKEN=$(BAO_TOKEN=$root "$BIN/bao" token create -policy=hopkeeper-pools -field=token)
  for key in b c; do "$BIN/bao" kv put -mount=secret vpn/entry/$key profile=y >/dev/null || fail "who fills the pools cannot write $key"; done
  "$BIN/bao" kv delete -mount=secret vpn/entry/c >/dev/null || fail "who fills the pools cannot remove"
  echo "OpenBao: configured twice, rights held"
else missing "$BIN/bao is missing: make lab-up"; fi
