#!/usr/bin/env bash
# Vault or OpenBao for Hopkeeper: a KV version 2 mount, two policies, Kubernetes auth and a role for the operator. With an
# administrator's VAULT_TOKEN (BAO_TOKEN) and VAULT_ADDR (BAO_ADDR). May be run again.
#   configure.sh [KUBERNETES_HOST]      default: https://kubernetes.default.svc, for a server that runs in the cluster; for another,
#                                       KUBERNETES_CA names the API server's CA file, and REVIEWER_TOKEN a file with a token of an
#                                       account that has the ClusterRole system:auth-delegator
set -euo pipefail
here=$(cd "$(dirname "$(readlink -f "$0")")" && pwd)
cli=$(command -v bao || command -v vault) || { echo "configure.sh: neither bao nor vault is installed" >&2; exit 1; }
host=${1:-https://kubernetes.default.svc} namespace=${HOPKEEPER_NAMESPACE:-hopkeeper} account=${HOPKEEPER_ACCOUNT:-hopkeeper}
"$cli" secrets list -format=json | jq -e 'has("secret/")' >/dev/null || "$cli" secrets enable -path=secret -version=2 kv
[ "$("$cli" secrets list -format=json | jq -r '."secret/".options.version')" = 2 ] || { echo "configure.sh: the mount secret/ is not KV version 2" >&2; exit 1; }
"$cli" policy write hopkeeper "$here/operator.hcl"
"$cli" policy write hopkeeper-pools "$here/pools.hcl"
"$cli" auth list -format=json | jq -e 'has("kubernetes/")' >/dev/null || "$cli" auth enable kubernetes
"$cli" write auth/kubernetes/config kubernetes_host="$host" ${KUBERNETES_CA:+kubernetes_ca_cert=@"$KUBERNETES_CA"} ${REVIEWER_TOKEN:+token_reviewer_jwt=@"$REVIEWER_TOKEN"}
"$cli" write auth/kubernetes/role/hopkeeper bound_service_account_names="$account" bound_service_account_namespaces="$namespace" \
  token_policies=hopkeeper token_ttl=20m
