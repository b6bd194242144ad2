# shellcheck shell=bash
# The VPN providers: their PKI, the OpenVPN and WireGuard servers, and the candidates (client parameters) they accept.
BORINGTUN_VERSION=0.7.1 BORINGTUN=$LAB_DIR/boringtun/bin/boringtun-cli
VPN_PKI=$INET/pki POOLS=$LAB_DIR/pools KEYS=$INET/candidates
FAKETIME_LIB=/usr/lib/$(uname -m)-linux-gnu/faketime/libfaketimeMT.so.1

# Every hop of a lane has four candidates: a and b on the first server, c and d on the second. d speaks TCP (OpenVPN) or has no
# preshared key (WireGuard). The certificates of a, c end after 30 days and of b, d after 60: 'fault expire-cert' needs that.
lane_candidates() { # LANE
  local p; p=$(lane_prefix "$1")
  #  hop       candidate server  tunnel address (WireGuard) | transport (OpenVPN)
  cat <<T
${p}entry  a ${p}entry   udp
${p}entry  b ${p}entry   udp
${p}entry  c ${p}entry2  udp
${p}entry  d ${p}entry2  tcp
${p}middle a ${p}middle  10.9.0.2
${p}middle b ${p}middle  10.9.0.3
${p}middle c ${p}middle2 10.9.0.4
${p}middle d ${p}middle2 10.9.0.5
${p}exit   a ${p}exit    udp
${p}exit   b ${p}exit    udp
${p}exit   c ${p}exit2   udp
${p}exit   d ${p}exit2   tcp
T
}
CANDIDATES=$(for ((l = 1; l <= LANES; l++)); do lane_candidates $l; done)
cert_days() { case $1 in *-a | *-c) echo 30 ;; *) echo 60 ;; esac; }
candidates() { awk -v s="${1:-}" 's=="" || $3==s {print $1 "-" $2, $1, $2, $3, $4}' <<<"$CANDIDATES"; } # [SERVER]: NAME HOP CANDIDATE SERVER EXTRA

ec_key() { openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1" 2>/dev/null || openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1" 2>/dev/null; }
vpn_cert() { # NAME USAGE DAYS DIRECTORY
  ec_key "$4/$1.key"
  openssl req -new -key "$4/$1.key" -subj "/CN=$1" -out "$4/$1.csr"
  openssl x509 -req -in "$4/$1.csr" -CA "$VPN_PKI/ca.crt" -CAkey "$VPN_PKI/ca.key" -set_serial "0x$(openssl rand -hex 8)" -days "$3" -out "$4/$1.crt" 2>/dev/null \
    -extfile <(printf 'basicConstraints=CA:FALSE\nkeyUsage=digitalSignature\nextendedKeyUsage=%s\n' "$2")
  rm -f "$4/$1.csr"
}
vpn_pki() {
  local s old; old=$(umask); umask 077
  [ -e "$VPN_PKI/done" ] || {
    rm -rf "$VPN_PKI" "$KEYS"; for s in $(server_names); do rm -rf "${INET:?}/$s"; done; mkdir -p "$VPN_PKI"
    ec_key "$VPN_PKI/ca.key"
    openssl req -x509 -key "$VPN_PKI/ca.key" -days 3650 -subj "/CN=lab VPN CA" -out "$VPN_PKI/ca.crt" -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign
    openvpn --genkey tls-crypt "$VPN_PKI/tls-crypt.key" >/dev/null
    touch "$VPN_PKI/done"
  }
  # Each server's own, also of one that a lab of an earlier version did not have.
  for s in $(server_names); do
    mkdir -p "$INET/$s"
    case $(server_kind "$s") in
      openvpn) [ -e "$INET/$s/crl.pem" ] || { vpn_cert "$s.vpn.lab" serverAuth 3650 "$VPN_PKI"; : >"$INET/$s/revoked"; crl_write "$s"; } ;;
      wireguard) [ -e "$INET/$s/public" ] || { wg genkey >"$INET/$s/private"; wg pubkey <"$INET/$s/private" >"$INET/$s/public"; } ;;
    esac
  done
  umask "$old"
}
# SERVER: its revocation list, from the names in INET/SERVER/revoked. Every server has its own, as providers do.
crl_write() {
  local s=$1 d=$INET/$1/crl name; rm -rf "$d"; mkdir -p "$d"; : >"$d/index.txt"; : >"$d/index.txt.attr"; echo 01 >"$d/number"
  while read -r name; do
    printf 'R\t350101000000Z\t%s\t%s\tunknown\t/CN=%s\n' "$(date -u -d '-1 minute' +%y%m%d%H%M%SZ)" \
      "$(openssl x509 -in "$KEYS/$name.crt" -noout -serial | cut -d= -f2)" "$name" >>"$d/index.txt"
  done <"$INET/$s/revoked"
  printf '[ca]\ndefault_ca=x\n[x]\ndatabase=%s\ncrlnumber=%s\ndefault_md=sha256\n' "$d/index.txt" "$d/number" >"$d/cnf"
  openssl ca -gencrl -config "$d/cnf" -cert "$VPN_PKI/ca.crt" -keyfile "$VPN_PKI/ca.key" -crldays 3650 -out "$d/crl.new" 2>/dev/null
  mv "$d/crl.new" "$INET/$s/crl.pem"
}

# Keys, certificates and passwords of all candidates, and what the servers know of them.
candidates_make() { # [--fresh]
  local name hop server extra old; old=$(umask); umask 077
  [ "${1:-}" != --fresh ] || rm -rf "$KEYS"
  mkdir -p "$KEYS"
  # Old enough to end during a day's work: make new ones.
  for name in "$KEYS"/*.crt; do [ ! -e "$name" ] || openssl x509 -checkend 604800 -noout -in "$name" >/dev/null || rm -f "$name" "${name%.crt}.key"; done
  while read -r name hop _ server extra; do
    case $(server_kind "$server") in
      openvpn)
        [ -e "$KEYS/$name.crt" ] || vpn_cert "$name" clientAuth "$(cert_days "$name")" "$KEYS"
        [ -e "$KEYS/$name.password" ] || openssl rand -hex 16 >"$KEYS/$name.password" ;;
      wireguard)
        [ -e "$KEYS/$name.wg" ] || { wg genkey >"$KEYS/$name.wg"; wg pubkey <"$KEYS/$name.wg" >"$KEYS/$name.pub"; }
        [[ $name = *-d ]] || [ -e "$KEYS/$name.psk" ] || wg genpsk >"$KEYS/$name.psk" ;;
    esac
  done < <(candidates)
  for server in $(server_names); do users_write "$server"; done
  umask "$old"
}
users_write() { # SERVER: the accounts that its password check reads; one 'name password' a line
  [ "$(server_kind "$1")" = openvpn ] || return 0
  local name; while read -r name _; do
    [ -e "$INET/faults/revoke-password.$1.$name" ] || echo "$name $(cat "$KEYS/$name.password")"
  done < <(candidates "$1") >"$INET/$1/users.new"
  chmod 600 "$INET/$1/users.new"; mv "$INET/$1/users.new" "$INET/$1/users"
}

openvpn_start() {
  local s=$1 p c net first clock=()
  [ ! -e "$INET/$s/clock" ] || clock=(env "LD_PRELOAD=$FAKETIME_LIB" "FAKETIME=$(cat "$INET/$s/clock")" FAKETIME_DONT_FAKE_MONOTONIC=1)
  for p in udp tcp; do
    alive "vpn-$s-$p" && continue
    c=$INET/$s/$p.conf; net=0; [ $p = udp ] || net=128; first=$((net + 4))
    # One pool 10.8.0.0/24 for both: clients see /24, the server halves it between its two processes.
    cat >"$c" <<T
local $(server_ip "$s")
port $VPN_PORT
proto ${p/tcp/tcp-server}
dev tun-$p
dev-type tun
mode server
tls-server
topology subnet
ifconfig 10.8.0.$((net + 1)) 255.255.255.128
ifconfig-pool 10.8.0.$first 10.8.0.$((net + 126)) 255.255.255.0
push "topology subnet"
push "route-gateway 10.8.0.$((net + 1))"
push "redirect-gateway def1"
keepalive 10 60
ca $VPN_PKI/ca.crt
cert $VPN_PKI/$s.vpn.lab.crt
key $VPN_PKI/$s.vpn.lab.key
tls-crypt $VPN_PKI/tls-crypt.key
crl-verify $INET/$s/crl.pem
dh none
remote-cert-tls client
data-ciphers AES-256-GCM:AES-128-GCM:CHACHA20-POLY1305
management $INET/$s/$p.sock unix
verb 3
T
    [ "$(server_auth "$s")" != password ] ||
      printf 'script-security 2\nauth-user-pass-verify "%s/internet/auth-verify %s/users" via-file\n' "$LAB_SRC" "$INET/$s" >>"$c"
    rm -f "$INET/$s/$p.sock"
    spawn_server "$s" "vpn-$s-$p" "${clock[@]}" openvpn --config "$c"
  done
}
wireguard_start() {
  local s=$1 name extra; alive "vpn-$s" && return
  in_server "$s" ip link del wg0 2>/dev/null || true
  LOG_LEVEL=error spawn_server "$s" "vpn-$s" wireguard-go -f wg0
  await "vpn-$s" 10 in_server "$s" wg show wg0
  in_server "$s" wg set wg0 listen-port "$WG_PORT" private-key "$INET/$s/private"
  in_server "$s" sh -ec "ip addr add 10.9.0.1/24 dev wg0; ip link set wg0 mtu 1420 up"
  while read -r name _ _ _ extra; do
    if [ -e "$INET/faults/replace-peer-key.$s.$name" ]; then wg_peer "$s" "$(cat "$INET/faults/replace-peer-key.$s.$name")" "$extra"
    else wg_peer "$s" "$(cat "$KEYS/$name.pub")" "$extra" "$KEYS/$name.psk"; fi
  done < <(candidates "$s")
}
wg_peer() { # SERVER PUBLIC_KEY ADDRESS [PSK_FILE]
  local psk=(); [ ! -e "${4:-/nonexistent}" ] || psk=(preshared-key "$4")
  in_server "$1" wg set wg0 peer "$2" "${psk[@]}" allowed-ips "$3/32"
}
