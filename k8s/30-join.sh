#!/usr/bin/env bash
# A further node.   30-join.sh NODE_ADDRESS ENDPOINT TOKEN CA_HASH [CERTIFICATE_KEY]
# On the first node 'kubeadm token create --print-join-command' prints TOKEN and CA_HASH, and 'kubeadm init phase upload-certs
# --upload-certs' CERTIFICATE_KEY, which makes this node one of the control plane (copy /etc/kubernetes/encryption there before).
. "$(dirname "$(readlink -f "$0")")/lib.sh"
[ $# -ge 4 ] || die "usage: 30-join.sh NODE_ADDRESS ENDPOINT TOKEN CA_HASH [CERTIFICATE_KEY]"
configuration() {
  fill "$HERE/kubeadm/join.yaml" NODE_ADDRESS="$1" ENDPOINT="$2" TOKEN="$3" CA_HASH="$4"
  [ -z "${5:-}" ] || printf 'controlPlane:\n  localAPIEndpoint: { advertiseAddress: "%s", bindPort: 6443 }\n  certificateKey: "%s"\n' "$1" "$5"
}
if [ "${6:-}" = --print ]; then configuration "$@"; exit; fi
need_root
if finished /etc/kubernetes/kubelet.conf; then say "this node has joined already"; exit; fi
if [ -n "${5:-}" ]; then
  [ -e /etc/kubernetes/encryption/config.yaml ] || die "copy /etc/kubernetes/encryption from the first node: without it this API server reads no Secret"
  put /etc/kubernetes/audit/policy.yaml <"$HERE/kubeadm/audit-policy.yaml" || true
fi
file=$(mktemp); trap 'rm -f "$file"' EXIT
configuration "$@" >"$file"
kubeadm config validate --config "$file"
to_the_end kubeadm join --config "$file"
