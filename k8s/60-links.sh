#!/usr/bin/env bash
# Once a cluster, and again when a node has joined or left: the VXLAN device for links of type vxlan (docs/links.md).   60-links.sh [IMAGE]
# IMAGE: Hopkeeper's own, where it is not HOPKEEPER_IMAGE of versions.env. Other types of links need nothing of this.
. "$(dirname "$(readlink -f "$0")")/lib.sh"
kubectl version >/dev/null || die "no cluster: export KUBECONFIG=/etc/kubernetes/admin.conf"
addresses=$(kubectl get nodes -o jsonpath='{range .items[*]}{.status.addresses[?(@.type=="InternalIP")].address}{"\n"}{end}')
# A node of a cluster with both has an IPv6 address beside it.
nodes=$(tr ' ' '\n' <<<"$addresses" | grep -v : | sort -u || true)
[ -n "$nodes" ] || die "no node has an internal IPv4 address: kubectl get nodes -o wide"
manifest=$(fill "$HERE/vxlan.yaml" HOPKEEPER_IMAGE="${1:-$HOPKEEPER_IMAGE}" NODES="${nodes//$'\n'/\\n}\n")
if [ "${2:-}" = --print ]; then printf '%s\n' "$manifest"; exit; fi
say "VXLAN device hkvxlan0 on $(wc -l <<<"$nodes") nodes; they must let each other's UDP port 8473 in"
kubectl apply --server-side --force-conflicts -f - <<<"$manifest"
kubectl -n hopkeeper-vxlan rollout status daemonset/vxlan --timeout=180s
say "done; next: links.type=vxlan in the chart's values, or spec.links.type of a chain"
