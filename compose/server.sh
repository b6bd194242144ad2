#!/bin/sh
# A VPN server of the trial: what leaves its tunnel goes on from the server's own address, as at a provider.
#   server.sh openvpn | wireguard
set -eu
nft -f - <<N
table inet server {
  chain post {
    type nat hook postrouting priority srcnat; policy accept;
    iifname "tun0" masquerade
  }
}
N
case $1 in
  openvpn)
    exec openvpn --dev tun0 --dev-type tun --proto udp --port 1194 --server 10.8.0.0 255.255.255.0 --topology subnet --dh none \
      --ca /keys/ca.crt --cert /keys/server.crt --key /keys/server.key --tls-crypt /keys/tls-crypt.key --remote-cert-tls client \
      --keepalive 10 60 --push 'redirect-gateway def1' --verb 3 ;;
  wireguard)
    wireguard-go --foreground tun0 &
    trap 'kill $!; exit 0' TERM INT
    until wg show tun0 >/dev/null 2>&1; do sleep 0.1; done
    wg set tun0 listen-port 51820 private-key /keys/private.key peer "$(cat /keys/client.pub)" allowed-ips 10.66.0.2/32
    ip addr add 10.66.0.1/24 dev tun0
    ip link set tun0 mtu 1420 up
    wait $! ;;
  *) echo "server.sh: openvpn or wireguard, not $1" >&2; exit 2 ;;
esac
