#!/usr/bin/env bash
# The first node: the control plane.   20-init.sh NODE_ADDRESS [ENDPOINT]
. "$(dirname "$(readlink -f "$0")")/lib.sh"
[ $# -ge 1 ] || die "usage: 20-init.sh NODE_ADDRESS [ENDPOINT]; ENDPOINT is a name or address that leads to any node of the control plane"
address=$1 endpoint=${2:-$1}
configuration() { fill "$HERE/kubeadm/init.yaml" NODE_ADDRESS="$address" ENDPOINT="$endpoint" KUBERNETES="$KUBERNETES" POD_CIDR="$POD_CIDR" SERVICE_CIDR="$SERVICE_CIDR"; }
if [ "${3:-}" = --print ]; then configuration; exit; fi
need_root
put /etc/kubernetes/audit/policy.yaml <"$HERE/kubeadm/audit-policy.yaml" || true
if [ ! -e /etc/kubernetes/encryption/config.yaml ]; then
  # Made once, and copied by hand to the other nodes of the control plane: without it no Secret can be read again.
  (umask 077; mkdir -p /etc/kubernetes/encryption; cat >/etc/kubernetes/encryption/config.yaml <<T
apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
  - resources: [secrets]
    providers:
      - secretbox: { keys: [{ name: key1, secret: $(head -c 32 /dev/urandom | base64) }] }
      - identity: {}
T
)
fi
if finished /etc/kubernetes/admin.conf; then say "the control plane is there already"
else
  file=$(mktemp); trap 'rm -f "$file"' EXIT
  configuration >"$file"
  kubeadm config validate --config "$file"
  to_the_end kubeadm init --config "$file" --upload-certs
fi
say "done; next: 40-network.sh here, then 30-join.sh on the others"
say "export KUBECONFIG=/etc/kubernetes/admin.conf"
