#!/usr/bin/env bash
# Once a cluster: the nodes' /dev/net/tun as the resource hopkeeper.io/tun.   50-devices.sh [IMAGE]
# IMAGE: the generic device plugin's, where it is not DEVICE_PLUGIN_IMAGE of versions.env.
. "$(dirname "$(readlink -f "$0")")/lib.sh"
manifest=$(fill "$HERE/devices.yaml" DEVICE_PLUGIN_IMAGE="${1:-$DEVICE_PLUGIN_IMAGE}")
if [ "${2:-}" = --print ]; then printf '%s\n' "$manifest"; exit; fi
kubectl version >/dev/null || die "no cluster: export KUBECONFIG=/etc/kubernetes/admin.conf"
kubectl apply --server-side --force-conflicts -f - <<<"$manifest"
kubectl -n hopkeeper-devices rollout status daemonset/devices --timeout=180s
# The kubelet's way to write the manifest's 1000.
kubectl wait nodes --all --for='jsonpath={.status.allocatable.hopkeeper\.io/tun}=1k' --timeout=120s
say "done; next: tunDevice.resource=hopkeeper.io/tun in the chart's values"
