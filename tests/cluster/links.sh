# shellcheck shell=bash
# A chain by the chart, with each of its hops on a machine of its own. Read by run.sh, after join.sh.

step "the VXLAN between them"
for name in a b; do
  for image in hopkeeper boringtun health; do
    cp "$LAB_DIR/podman/$image.tar" "$RUN/$name/root/"
    on "$name" ctr --namespace k8s.io images import "$image.tar" >/dev/null
  done
done
for _ in 1 2; do reads a <<<k8s/60-links.sh; done
for name in a b; do check "$name has the device" on "$name" ip link show hkvxlan0; done

step "two VPN servers, and a chain through both"
# Both behind the machines' gateway; the second one is reached through the first one's tunnel alone.
server() { # NAME PORT NETWORK
  local key=$RUN/$1; (umask 077; wg genkey >"$key.server"; wg genkey >"$key.client")
  LOG_LEVEL=error wireguard-go "wg-$1" >/dev/null 2>"$RUN/wg-$1.log"
  wg set "wg-$1" listen-port "$2" private-key "$key.server" peer "$(wg pubkey <"$key.client")" allowed-ips "$3.2/32"
  ip addr add "$3.1/24" dev "wg-$1"; ip link set "wg-$1" up
  printf '[Interface]\nPrivateKey = %s\nAddress = %s.2/32\n\n[Peer]\nPublicKey = %s\nAllowedIPs = 0.0.0.0/0\nEndpoint = %s:%s\nPersistentKeepalive = 5\n' \
    "$(cat "$key.client")" "$3" "$(wg pubkey <"$key.server")" "$HERE" "$2" >"$RUN/a/root/$1.conf"
}
server entry 51820 10.8.1
server exit 51821 10.8.2
cat >"$RUN/a/root/values.yaml" <<'Y'
stack: { mode: none }
links: { type: vxlan }
placement: Spread
chains:
  berlin:
    namespace: vpn
    spec:
      hops:
        - { name: entry, client: WireGuard, parameters: { secretRef: { name: entry-pool } } }
        - { name: exit, client: WireGuard, parameters: { secretRef: { name: exit-pool } } }
      gateway: { cidr: 10.200.7.0/24 }
Y
reads a <<'Y'
kubectl create namespace vpn
for hop in entry exit; do kubectl --namespace vpn create secret generic $hop-pool --from-file=only=/root/$hop.conf; done
helm install hopkeeper helm/hopkeeper --namespace hopkeeper --create-namespace --values /root/values.yaml --wait --timeout 3m
Y
TRIES=180 check "the chain is up" k -n vpn wait --for=jsonpath='{.status.phase}=Up' vpnchain/berlin --timeout=5s
on_nodes() { k -n vpn get pods -l hopkeeper.io/chain=berlin,hopkeeper.io/hop -o 'jsonpath={range .items[*]}{.spec.nodeName}{"\n"}{end}' | sort | tr '\n' ' '; }
[ "$(on_nodes)" = "a b " ] || { k -n vpn get pods -o wide >&2; die "the hops are not on a node each"; }
passed=$((passed + 1)); say "ok   each hop is on a node of its own"
check "the exit's server has heard of the exit hop" sh -c '[ "$(wg show wg-exit latest-handshakes | cut -f 2)" -gt 0 ]'
came() { [ "$(on "$1" cat /sys/class/net/hkvxlan0/statistics/rx_packets)" -gt "${2:-0}" ]; }
for name in a b; do n=$(on "$name" cat /sys/class/net/hkvxlan0/statistics/rx_packets); check "packets of the chain come to $name by the VXLAN" came "$name" "$n"; done
outside=$(wg show wg-exit endpoints | cut -f 2)
[[ $outside = 10.8.1.2:* ]] || die "the exit's server sees $outside, and not the entry's tunnel"
passed=$((passed + 1)); say "ok   the exit's server sees the entry's tunnel alone ($outside)"
