# shellcheck shell=bash
# The pods' networks: their own by the plugin ptp (routed, so Services work without br_netfilter), and those that
# NetworkAttachmentDefinitions describe, by Multus in its "thick" form: a daemon in the node, called by a shim.
CNI_CONF=$NODE_FS/etc/cni/net.d CNI_BIN=$NODE_FS/opt/cni/bin MULTUS_RUN=/run/multus/daemon

cni_build() {
  local is m=gopkg.in/k8snetworkplumbingwg/multus-cni.v4/cmd
  is=$(cat "$LAB_SRC"/cni/go.{mod,sum} | sha256sum | cut -c -16)
  [ ! -e "$BIN/.cni-$is" ] || return 0
  say "building Multus"
  CGO_ENABLED=0 go build -C "$LAB_SRC/cni" -mod=readonly -buildvcs=false -trimpath -ldflags '-s -w' -o "$BIN/" $m/multus-daemon $m/multus-shim
  rm -f "$BIN"/.cni-*; touch "$BIN/.cni-$is"
}

cni_configs() {
  local p; mkdir -p "$CNI_CONF" "$CNI_BIN"
  for p in /usr/lib/cni/*; do ln -sf "$p" "$CNI_BIN/"; done
  install -m 755 "$BIN/multus-shim" "$CNI_BIN/"
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
