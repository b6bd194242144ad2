# shellcheck shell=bash
# A second machine joins, twice: the second time changes nothing. Read by run.sh, after scenario.sh.

step "a second machine joins"
boot b 10.213.0.12
reads b <<<'k8s/10-node.sh' >"$RUN/b-node.log" 2>&1 || { cat "$RUN/b-node.log" >&2; die "10-node.sh failed on b"; }
read -r -a said < <(on a kubeadm token create --print-join-command)
token=${said[4]} hash=${said[6]}
[[ ${said[*]} = "kubeadm join 10.213.0.11:6443 --token $token --discovery-token-ca-cert-hash $hash" ]] || die "kubeadm says '${said[*]}'"
for _ in 1 2; do reads b <<<"k8s/30-join.sh 10.213.0.12 10.213.0.11 $token $hash"; done
TRIES=180 check "both nodes are Ready" k wait --for=condition=Ready node/a node/b --timeout=5s
check "Multus runs on both" k -n kube-system rollout status daemonset/kube-multus-ds --timeout=5s
