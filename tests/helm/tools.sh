#!/usr/bin/env bash
# What the tests of chart and cluster need: helm, Filebeat, helm-unittest, kubeconform, kubeadm, actionlint, and schemas of the
# objects that the chart makes, all from the Go module proxy; Strimzi's, from Maven; promtool, from Debian's package of
# Prometheus; into LAB_DIR. Later runs find everything there.
set -euo pipefail
here=$(cd "$(dirname "$(readlink -f "$0")")" && pwd)
export LAB_DIR=${LAB_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/hopkeeper-lab}
BIN=$LAB_DIR/bin SCHEMAS=$LAB_DIR/schemas
KUBECONFORM=v0.7.0 ACTIONLINT=v1.7.12 UNITTEST=v1.0.3 KUBERNETES=v1.34.2 ECK=v3.5.0 PROMETHEUS_OPERATOR=v0.85.0 STRIMZI=0.51.0
"$here/../lab/lab.sh" build helm shipper
if ! command -v nix-instantiate >/dev/null && [ "$(id -u)" = 0 ]; then
  DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends nix-bin >/dev/null
fi
if [ ! -x "$BIN/promtool" ]; then
  # Only the one program: the package would start a server.
  work=$(mktemp -d)
  ( cd "$work"
    apt-get download -q prometheus >/dev/null 2>&1 || { apt-get update -q >/dev/null; apt-get download -q prometheus >/dev/null; }
    dpkg -x prometheus_*.deb . )
  install -m 755 "$work/usr/bin/promtool" "$BIN/promtool"
  rm -rf "$work"
fi
export GOBIN=$BIN CGO_ENABLED=0 GOFLAGS=-buildvcs=false

if [ ! -e "$BIN/.kubeconform-$KUBECONFORM" ]; then
  go install -ldflags '-s -w' "github.com/yannh/kubeconform/cmd/kubeconform@$KUBECONFORM"
  touch "$BIN/.kubeconform-$KUBECONFORM"
fi
if [ ! -e "$BIN/.actionlint-$ACTIONLINT" ]; then
  go install -ldflags '-s -w' "github.com/rhysd/actionlint/cmd/actionlint@$ACTIONLINT"
  touch "$BIN/.actionlint-$ACTIONLINT"
fi
if [ ! -e "$BIN/.helm-unittest-$UNITTEST" ]; then
  # It replaces a dependency by a fork, which 'go install' refuses: a module of our own does the same.
  module=github.com/helm-unittest/helm-unittest work=$(mktemp -d)
  source=$(go mod download -json "$module@$UNITTEST" | jq -r .Dir)
  ( cd "$work"
    go mod init tools 2>/dev/null
    go mod edit -replace "$(sed -n 's/^replace \(.*\) => \(.*\)$/\1=\2/p' "$source/go.mod" | tr ' ' @)"
    go get "$module/cmd/helm-unittest@$UNITTEST" 2>/dev/null
    go build -ldflags '-s -w' -o "$BIN/helm-unittest" "$module/cmd/helm-unittest" )
  rm -rf "$work"
  touch "$BIN/.helm-unittest-$UNITTEST"
fi
if [ ! -e "$BIN/.kubeadm-$KUBERNETES" ]; then
  # As the lab builds Kubernetes; kubeadm takes two modules more.
  work=$(mktemp -d)
  cp "$here/../lab/gotools/go.mod" "$here/../lab/gotools/go.sum" "$work"
  ( cd "$work"
    go get "k8s.io/kubernetes/cmd/kubeadm@$KUBERNETES" 2>/dev/null
    version=k8s.io/component-base/version
    go build -ldflags "-s -w -X $version.gitVersion=$KUBERNETES -X $version.gitMajor=1 -X $version.gitMinor=34" -o "$BIN/kubeadm" k8s.io/kubernetes/cmd/kubeadm )
  rm -rf "$work"
  touch "$BIN/.kubeadm-$KUBERNETES"
fi
if [ ! -e "$SCHEMAS/.$KUBERNETES-$ECK-$PROMETHEUS_OPERATOR" ]; then
  rm -rf "$SCHEMAS"; mkdir -p "$SCHEMAS"
  file() { install -m 644 "$(go mod download -json "$1" | jq -r .Dir)/$2" "$SCHEMAS/$3"; }
  file "k8s.io/kubernetes@$KUBERNETES" api/openapi-spec/swagger.json kubernetes.json
  file "github.com/elastic/cloud-on-k8s/v3@$ECK" config/crds/v1/all-crds.yaml eck.yaml
  for kind in servicemonitors podmonitors prometheusrules; do
    file "github.com/prometheus-operator/prometheus-operator@$PROMETHEUS_OPERATOR" "example/prometheus-operator-crd/monitoring.coreos.com_$kind.yaml" "$kind.yaml"
  done
  touch "$SCHEMAS/.$KUBERNETES-$ECK-$PROMETHEUS_OPERATOR"
fi
if [ ! -e "$SCHEMAS/.strimzi-$STRIMZI" ]; then
  # Strimzi publishes its CRDs as files of its repository alone, and they are made from what is on Maven: the classes of its API, by
  # their annotations. The newest generator there is 0.45.0's, which knows fewer of them: against the files of 0.51.0, what it makes
  # lacks (and so does not hold us to) in v1 that `spec` and an ACL's `operations` are required, and takes v1beta2's OAuth, OPA and
  # Keycloak there; in both the CEL rules of metricsConfig.
  work=$(mktemp -d)
  ( . "$here/../lab/lib/common.sh"; . "$here/../lab/lib/services.sh"
    mvn_jars "$work/jars" "io.strimzi:api:$STRIMZI" io.strimzi:crd-generator:0.45.0 )
  crds=() model=io.strimzi.api.kafka.model
  for class in kafka.Kafka nodepool.KafkaNodePool topic.KafkaTopic user.KafkaUser; do crds+=("$model.$class=$work/crds/$class.yaml"); done
  # Of no version are texts wanted: with them the API server has no room for Kafka's.
  java -cp "$work/jars/*" io.strimzi.crdgenerator.CrdGenerator --target-kube 1.16+ --crd-api-version v1 --yaml \
    --api-versions v1beta2,v1 --storage-version v1beta2 --describe-api-versions v1alpha1 "${crds[@]}" >"$work/said" 2>&1 || { cat "$work/said" >&2; exit 1; }
  for file in "$work"/crds/*.yaml; do echo ---; cat "$file"; done >"$SCHEMAS/strimzi.yaml"
  rm -rf "$work"
  touch "$SCHEMAS/.strimzi-$STRIMZI"
fi
