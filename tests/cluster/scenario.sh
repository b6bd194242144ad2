# shellcheck shell=bash
# What is done with the machines, and what must be true then. Read by run.sh.

boot a 10.213.0.11
on a sh -c '! command -v kubelet && ! command -v containerd && ! command -v curl' || die "the machine is not bare"

step "chapter 1 of the tutorial, as it stands there"
chapter() { sed -n '/^## 1\. /,/^## 2\. /p' "$ROOT/docs/tutorial.md"; }
chapter | awk '/^```bash$/{b = 1; next} /^```/{b = 0} b' >"$RUN/chapter"
grep -q 20-init.sh "$RUN/chapter" || die "chapter 1 of the tutorial has no commands"
sed 's/^/  $ /' "$RUN/chapter"
reads a <"$RUN/chapter" | tee "$RUN/shown"
# `…` is what differs; blanks are columns.
chapter | awk '/^```text$/{t = 1; next} /^```/{t = 0} t' >"$RUN/must"
while read -r line; do
  pattern=$(sed -E 's/[][().*+?^$|\\]/\\&/g; s/ +/ +/g; s/…/.*/g' <<<"$line")
  grep -qE "^$pattern *$" "$RUN/shown" || die "the tutorial shows '$line', and the machine did not"
done <"$RUN/must"

step "what the scripts promise"
k() { on a env KUBECONFIG=/etc/kubernetes/admin.conf kubectl "$@"; }
check "the node is Ready, as the tutorial shows it" k wait --for=condition=Ready node/a --timeout=5s
check "Multus' daemon runs" k -n kube-system rollout status daemonset/kube-multus-ds --timeout=5s
TRIES=180 check "CoreDNS runs: pods have a network, and Services lead to them" k -n kube-system rollout status deployment/coredns --timeout=5s
check "one sandbox image, kubeadm's" on a sh -c '[ "$(ctr --namespace k8s.io images ls -q | grep /pause:)" = "$(kubeadm config images list 2>/dev/null --kubernetes-version v'"$(sed -n 's/^KUBERNETES=//p' "$ROOT/k8s/versions.env")"' | grep /pause:)" ]'
# build.sh marks those of the package.
check "CNI plugins are of the release that versions.env names, not of the package kubernetes-cni" \
  on a sh -c '/opt/cni/bin/bridge 2>&1 </dev/null | grep -F "$(sed -n s/^CNI_PLUGINS=//p hopkeeper/k8s/versions.env)" && ! grep -q "kubernetes-cni 1" /opt/cni/bin/bridge'
check "packages are held" on a sh -c '[ "$(apt-mark showhold | sort | tr "\n" " ")" = "kubeadm kubectl kubelet kubernetes-cni " ]'

k create secret generic kept --from-literal=word=do-not-read-me >/dev/null
etcd_has() { on a sh -c "grep -rlaF -- '$1' /var/lib/etcd"; }
check "etcd holds the Secret under secretbox" etcd_has 'k8s:enc:secretbox:v1:key1:'
check "and never in the clear" on a sh -c '! grep -rlaF do-not-read-me /var/lib/etcd'
check "who has the key reads it" on a sh -c 'KUBECONFIG=/etc/kubernetes/admin.conf kubectl get secret kept -o "jsonpath={.data.word}" | base64 -d | grep -x do-not-read-me'
audited() { on a sh -c "grep -F '\"resource\":\"secrets\"' /var/log/kubernetes/audit.log | grep -F '\"name\":\"kept\"' | grep -F '\"verb\":\"create\"'"; }
check "the audit log has who made it" audited
check "and not its content" on a sh -c '! grep -F "$(printf do-not-read-me | base64)" /var/log/kubernetes/audit.log && ! grep -F do-not-read-me /var/log/kubernetes/audit.log'
check "kube-proxy speaks nftables" k -n tigera-operator exec daemonset/network -- nft list chain ip kube-proxy nat-prerouting
check "containers have systemd's control groups" on a sh -c 'systemctl list-units --type=slice --no-legend | grep -q kubepods.slice'

step "Multus: two pods on a network of their own"
k apply -f - <<'Y' >/dev/null
apiVersion: k8s.cni.cncf.io/v1
kind: NetworkAttachmentDefinition
metadata: { name: link }
spec: { config: '{"cniVersion":"0.4.0","name":"link","type":"bridge","bridge":"test-link","capabilities":{"ips":true},"ipam":{"type":"static"}}' }
---
apiVersion: v1
kind: Pod
metadata: { name: one, annotations: { k8s.v1.cni.cncf.io/networks: '[{"name":"link","interface":"up0","ips":["198.18.7.1/30"]}]' } }
spec: { terminationGracePeriodSeconds: 0, containers: [{ name: main, image: "docker.io/library/busybox:1.37", command: [sleep, infinity] }] }
---
apiVersion: v1
kind: Pod
metadata: { name: two, annotations: { k8s.v1.cni.cncf.io/networks: '[{"name":"link","interface":"dn0","ips":["198.18.7.2/30"]}]' } }
spec: { terminationGracePeriodSeconds: 0, containers: [{ name: main, image: "docker.io/library/busybox:1.37", command: [sleep, infinity] }] }
Y
check "both run" k wait --for=condition=Ready pod/one pod/two --timeout=5s
check "one reaches two over it" k exec one -- ping -c 1 -W 2 198.18.7.2
networks() { local said; said=$(k get pod one -o 'jsonpath={.metadata.annotations.k8s\.v1\.cni\.cncf\.io/network-status}'); [[ $said = *k8s-pod-network*default/link* ]] || { echo "$said"; false; }; }
check "its network-status names both networks" networks
check "a pod finds a Service by its name" k exec one -- nslookup kubernetes.default.svc.cluster.local
k delete pod one two --now >/dev/null

step "every script again: nothing may change"
state() { # all that the scripts write: files, and objects but for what their controllers note in them
  on a sh -c 'cd /; find etc/kubernetes etc/containerd etc/apt/sources.list.d etc/apt/keyrings etc/modules-load.d etc/sysctl.d opt/cni/bin etc/cni etc/systemd usr/bin/kube* -type f -printf "%p %T@ %s\n" | sort; dpkg -l; apt-mark showhold
    systemctl show -p MainPID kubelet containerd'
  k get installation,deployment,daemonset,configmap,service,serviceaccount,clusterrole,clusterrolebinding,crd,network-attachment-definitions -A \
    -o 'jsonpath={range .items[*]}{.kind} {.metadata.namespace} {.metadata.name} {.metadata.generation} {.metadata.uid}{"\n"}{end}'
  k get pods -A -o 'jsonpath={range .items[*]}{.metadata.name} {.metadata.uid} {.status.containerStatuses[*].restartCount}{"\n"}{end}'
}
state >"$RUN/before"
reads a <<<'k8s/10-node.sh; k8s/20-init.sh "$(hostname -I | cut -d " " -f 1)"; k8s/40-network.sh' >"$RUN/again.log" 2>&1 || { cat "$RUN/again.log" >&2; die "a second run failed"; }
state >"$RUN/after"
diff -u "$RUN/before" "$RUN/after" >&2 || die "a second run of the scripts changed this"
passed=$((passed + 1)); say "ok   nothing changed"
