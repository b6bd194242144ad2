#!/bin/sh
# Makes, once, what each server and its client know each other by, and the client's candidate: three "providers" that share
# nothing. server1 and server3 are OpenVPN's, server2 is WireGuard's. Valid for 30 days.
#   keys.sh SERVER1_ADDRESS SERVER2_ADDRESS SERVER3_ADDRESS
set -eu
umask 077
cd /keys
[ ! -e candidates/client3.ovpn ] || { echo "the keys are there already"; exit 0; }

# NAME SUBJECT: a key and a request for a certificate
request() {
  openssl req -config req.conf -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$2" -keyout "$1.key" -out "$1.csr" 2>/dev/null
}
# NAME USAGE: the certificate
sign() {
  printf 'keyUsage=digitalSignature\nextendedKeyUsage=%s\n' "$2" >"$1.ext"
  openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 -extfile "$1.ext" -out "$1.crt" 2>/dev/null
}
openvpn_provider() { # NUMBER ADDRESS
  work=$(mktemp -d)
  ( cd "$work"
    printf '[req]\ndistinguished_name=name\n[name]\n' >req.conf
    openssl req -config req.conf -x509 -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=provider$1" -days 30 \
      -addext basicConstraints=critical,CA:TRUE -addext keyUsage=keyCertSign,cRLSign -keyout ca.key -out ca.crt 2>/dev/null
    request server "server$1"; sign server serverAuth
    request client "client$1"; sign client clientAuth
    openvpn --genkey tls-crypt tls-crypt.key
    for file in ca.crt server.crt server.key tls-crypt.key; do cat "$file" >"/keys/server$1/$file"; done
    { printf 'client\ndev tun\nproto udp\nremote %s 1194\nremote-cert-tls server\n' "$2"
      for part in ca:ca.crt cert:client.crt key:client.key tls-crypt:tls-crypt.key; do
        printf '<%s>\n' "${part%%:*}"; cat "${part#*:}"; printf '</%s>\n' "${part%%:*}"
      done
    } >/keys/candidates/client"$1".new )
  rm -rf "$work"
}
wireguard_provider() { # NUMBER ADDRESS
  wg genkey >"server$1/private.key"
  client=$(wg genkey)
  echo "$client" | wg pubkey >"server$1/client.pub"
  printf '[Interface]\nPrivateKey = %s\nAddress = 10.66.0.2/32\n[Peer]\nPublicKey = %s\nEndpoint = %s:51820\nAllowedIPs = 0.0.0.0/0\n' \
    "$client" "$(wg pubkey <"server$1/private.key")" "$2" >"candidates/client$1.new"
}
openvpn_provider 1 "$1"
wireguard_provider 2 "$2"
openvpn_provider 3 "$3"
mv candidates/client1.new candidates/client1.ovpn
mv candidates/client2.new candidates/client2.conf
# The last: with it all are there.
mv candidates/client3.new candidates/client3.ovpn
echo "keys made for server1 (OpenVPN), server2 (WireGuard), server3 (OpenVPN)"
