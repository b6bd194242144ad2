#!/usr/bin/env bash
# Once a cluster, with KUBECONFIG: Calico for pods and NetworkPolicies, Multus (thick) for the links between hops.
# With --print: only what becomes of Multus' manifest, from standard input.
. "$(dirname "$(readlink -f "$0")")/lib.sh"
CLUSTER_NETWORK=k8s-pod-network # Calico's
# The manifest of a release names a moving image, and too little memory: its daemon is killed when many pods start at once. And
# Multus 4.2.2 to 4.3.0 stop the plugins of a cluster network that is a file's path without their configuration, so that no pod's
# address becomes free (https://github.com/k8snetworkplumbingwg/multus-cni/issues/1449); where it has a name, they do get it.
multus() {
  sed -e "s#multus-cni:snapshot-thick#multus-cni:$MULTUS-thick#; s#memory: \"50Mi\"#memory: \"256Mi\"#" \
    -e "s#^\( *\)\"multusConfigFile\": \"auto\",#&\n\1\"clusterNetwork\": \"$CLUSTER_NETWORK\",\n\1\"confDir\": \"/host/etc/cni/net.d\",#"
}
if [ "${1:-}" = --print ]; then multus; exit; fi
kubectl version >/dev/null || die "no cluster: export KUBECONFIG=/etc/kubernetes/admin.conf"
apply() { kubectl apply --server-side --force-conflicts -f "$1"; }

say "Calico $CALICO"
calico=https://raw.githubusercontent.com/projectcalico/calico/$CALICO/manifests
fetch "$calico/operator-crds.yaml" | apply -
fetch "$calico/tigera-operator.yaml" | apply -
kubectl -n tigera-operator rollout status deployment/tigera-operator --timeout=180s
fill "$HERE/calico.yaml" POD_CIDR="$POD_CIDR" | apply -

say "Multus $MULTUS"
fetch "https://raw.githubusercontent.com/k8snetworkplumbingwg/multus-cni/$MULTUS/deployments/multus-daemonset-thick.yml" | multus | apply -
kubectl wait --for=condition=Established crd/network-attachment-definitions.k8s.cni.cncf.io --timeout=60s
# Without a configuration: the one on the node with this name is meant.
apply - <<T
apiVersion: k8s.cni.cncf.io/v1
kind: NetworkAttachmentDefinition
metadata: {name: $CLUSTER_NETWORK, namespace: kube-system}
T
kubectl -n kube-system rollout status daemonset/kube-multus-ds --timeout=180s
kubectl wait --for=condition=Ready nodes --all --timeout=300s
say "done; next: the images (docs/install-images.md), then helm install (docs/install.md)"
