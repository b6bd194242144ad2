#!/usr/bin/env bash
# Once a cluster, with KUBECONFIG: Calico for pods and NetworkPolicies, Multus (thick) for the links between hops.
. "$(dirname "$(readlink -f "$0")")/lib.sh"
kubectl version >/dev/null || die "no cluster: export KUBECONFIG=/etc/kubernetes/admin.conf"
apply() { kubectl apply --server-side --force-conflicts -f "$1"; }

say "Calico $CALICO"
calico=https://raw.githubusercontent.com/projectcalico/calico/$CALICO/manifests
fetch "$calico/operator-crds.yaml" | apply -
fetch "$calico/tigera-operator.yaml" | apply -
kubectl -n tigera-operator rollout status deployment/tigera-operator --timeout=180s
fill "$HERE/calico.yaml" POD_CIDR="$POD_CIDR" | apply -

say "Multus $MULTUS"
# The manifest of a release names a moving image, and too little memory: its daemon is killed when many pods start at once.
fetch "https://raw.githubusercontent.com/k8snetworkplumbingwg/multus-cni/$MULTUS/deployments/multus-daemonset-thick.yml" |
  sed "s#multus-cni:snapshot-thick#multus-cni:$MULTUS-thick#; s#memory: \"50Mi\"#memory: \"256Mi\"#" | apply -
kubectl -n kube-system rollout status daemonset/kube-multus-ds --timeout=180s
kubectl wait --for=condition=Ready nodes --all --timeout=300s
say "done; next: the images (docs/install-images.md), then helm install (docs/install.md)"
