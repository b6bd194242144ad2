# shellcheck shell=bash
# The pods' networks: their own by the plugin ptp (routed, so Services work without br_netfilter), with kube-network-policies as
# the one that enforces NetworkPolicies, and those that NetworkAttachmentDefinitions describe, by Multus in its "thick" form: a
# daemon in the node, called by a shim.
CNI_CONF=$NODE_FS/etc/cni/net.d CNI_BIN=$NODE_FS/opt/cni/bin MULTUS_RUN=/run/multus/daemon POLICY_QUEUE=100

cni_build() {
  local is m=gopkg.in/k8snetworkplumbingwg/multus-cni.v4/cmd p=github.com/containernetworking/plugins
  local go=(go build -C "$LAB_SRC/cni" -mod=readonly -buildvcs=false -trimpath -o) plain=(-ldflags '-s -w')
  is=$(cat "$LAB_SRC"/cni/go.{mod,sum} | sha256sum | cut -c -16)
  [ ! -e "$BIN/.cni-$is" ] || return 0
  say "building Multus, the CNI plugins and kube-network-policies"
  export CGO_ENABLED=0
  "${go[@]}" "$BIN/" "${plain[@]}" $m/multus-daemon $m/multus-shim
  "${go[@]}" "$BIN/kube-network-policies" "${plain[@]}" sigs.k8s.io/kube-network-policies/cmd
  mkdir -p "$BIN/cni"
  "${go[@]}" "$BIN/cni/" -ldflags "-s -w -X $p/pkg/utils/buildversion.BuildVersion=$(cd "$LAB_SRC/cni" && go list -m -f '{{.Version}}' $p)" \
    $p/plugins/{main/{bridge,macvlan,ptp,loopback},ipam/host-local,meta/{portmap,tuning}}
  unset CGO_ENABLED
  rm -f "$BIN"/.cni-*; touch "$BIN/.cni-$is"
}

cni_configs() {
  local p; mkdir -p "$CNI_CONF" "$CNI_BIN"
  # Copies: the node may be up while they are built anew.
  for p in "$BIN"/cni/* "$BIN/multus-shim"; do rm -f "$CNI_BIN/${p##*/}"; install -m 755 "$p" "$CNI_BIN/"; done
  cat >"$CNI_CONF/10-pod-network.conflist" <<T
{"cniVersion":"0.4.0","name":"pod-network","plugins":[
 {"type":"ptp","ipMasq":true,"ipam":{"type":"host-local","ranges":[[{"subnet":"$POD_CIDR"}]],"routes":[{"dst":"0.0.0.0/0"}]}},
 {"type":"portmap","capabilities":{"portMappings":true}}]}
T
  # As k8s/40-network.sh has it, without a container's paths. It finds the pods' own network and puts itself before it; that one it
  # must know by name: from a file's path it takes a list of plugins to start them, but stops them without their configuration
  # (https://github.com/k8snetworkplumbingwg/multus-cni/issues/1449), and no pod's address becomes free again.
  cat >"$RUN/conf/multus.json" <<T
{"cniVersion":"0.3.1","logLevel":"verbose","logToStderr":true,"cniConfigDir":"/etc/cni/net.d","multusAutoconfigDir":"/etc/cni/net.d",
 "multusConfigFile":"auto","clusterNetwork":"pod-network","confDir":"/etc/cni/net.d","socketDir":"$MULTUS_RUN","daemonSocketDir":"$MULTUS_RUN"}
T
}

# Before the kubelet, so that no pod starts with its own network alone.
multus_up() {
  # Again until the API server knows the kind that the first object defines.
  await kube-apiserver 30 kc apply -f "$LAB_SRC/manifests/multus.yaml"
  alive multus || MULTUS_NODE_NAME=$NODE spawn_as multus multus "$BIN/multus-daemon" --config "$RUN/conf/multus.json"
  await multus 60 in_node curl -sf -o /dev/null --unix-socket $MULTUS_RUN/multus.sock http://multus/healthz
  await multus 10 test -e "$CNI_CONF/00-multus.conf"
}

# It judges the first packet of each connection, which the kernel hands it by a queue; without it no connection of a pod begins.
policies_up() {
  await kube-apiserver 30 kc apply -f "$LAB_SRC/manifests/network-policies.yaml"
  alive network-policies || spawn_as kube-network-policies network-policies "$BIN/kube-network-policies" --hostname-override "$NODE" \
    --nfqueue-id "$POLICY_QUEUE" --metrics-bind-address 127.0.0.1:9080
  await network-policies 60 grep -q "^ *$POLICY_QUEUE " "/proc/$(pid_of network-policies)/net/netfilter/nfnetlink_queue"
  in_node iptables -w -t mangle -C POSTROUTING -d "$POD_CIDR" -j POD-POLICIES 2>/dev/null || policies_queue
}
# It would write these rules by itself, in nftables, which not every kernel lets queue (CONFIG_NFT_QUEUE); iptables' NFQUEUE is there. Its own
# are those of POSTROUTING, for pods that a policy selects. INPUT is added: the API server is on the pods' own node, where Calico, for
# one, enforces policies of egress too. What the node's root sends is the kubelet's and the API server's.
policies_queue() {
  in_node iptables-restore -w --noflush <<T
*mangle
:POD-POLICIES - [0:0]
-A POD-POLICIES -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN
-A POD-POLICIES -j NFQUEUE --queue-num $POLICY_QUEUE
-A INPUT -s $POD_CIDR -j POD-POLICIES
-A POSTROUTING -m owner --uid-owner 0 -j ACCEPT
-A POSTROUTING -s $POD_CIDR -j POD-POLICIES
-A POSTROUTING -d $POD_CIDR -j POD-POLICIES
COMMIT
T
}
