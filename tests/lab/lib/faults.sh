# shellcheck shell=bash
# Faults of the VPN servers. Each takes effect on live sessions at once, leaves a mark in INET/faults, and can be undone.
fault_usage() { cat <<T
usage: lab.sh fault VERB SERVER [ARGUMENT]     (servers: $(server_names | tr '\n' ' '))
       lab.sh faults [clear [LANE]]            lists what is broken; clear: undoes all of it, or that of a lane's servers
  revoke-password SERVER USER    the password check refuses USER; live sessions are ended, so the client meets it now
  restore-password SERVER USER
  revoke-cert SERVER NAME        NAME's certificate goes on the server's revocation list; live sessions are ended
  restore-cert SERVER NAME
  expire-cert SERVER NAME        the server's clock jumps past the end of NAME's certificate; clients are told to
                                 reconnect and both its processes restart. Every certificate that ends earlier expires too: of a
                                 server's two candidates the first one (a, c) alone, or both.
  unexpire-cert SERVER           the true clock again (restart)
  expire-server-cert SERVER      the server shows an expired certificate (restart); unexpire-server-cert SERVER
  replace-peer-key SERVER PEER   WireGuard: PEER's public key is replaced; its live session is gone with the old key
  restore-peer-key SERVER PEER
  link-down SERVER               the server's cable is out: no packet, the router answers host unreachable after ~3 s
  link-up SERVER
  stop SERVER                    its processes are killed: the port answers 'refused' at once (UDP: ICMP port unreachable). A UDP client
                                 that sends nothing meanwhile notices only by its ping timeout, also after 'start'
  start SERVER
  say SERVER USER TEXT           OpenVPN: the server sends the client these words ("Info command was pushed by server"); nothing to mend
  delay SERVER MS                each packet the server sends waits MS milliseconds; 0: none. Live sessions feel the next packet
USER, NAME, PEER: the candidate, as <hop>-<candidate>, e.g. entry-a; also just a, b, c, d.
T
}
fault_mark() { mkdir -p "$INET/faults"; : >"$INET/faults/$1.$2.${3:-}"; }
fault_unmark() { rm -f "$INET/faults/$1.$2.${3:-}"; }
faults_forget() { # SERVER: its files as without faults (the caller removed the marks)
  if [ -d "$INET/$1" ] && [ "$(server_kind "$1")" = openvpn ] && [ -e "$VPN_PKI/done" ]; then
    if [ -s "$INET/$1/revoked" ]; then : >"$INET/$1/revoked"; crl_write "$1"; fi
    rm -f "$INET/$1/clock"; [ ! -e "$INET/$1/good.crt" ] || mv "$INET/$1/good.crt" "$VPN_PKI/$1.vpn.lab.crt"
    users_write "$1"
  fi
}
fault_client() { # SERVER NAME: the full name of one of the server's candidates
  local name; while read -r name _; do [ "$name" != "$2" ] && [ "${name##*-}" != "$2" ] || { echo "$name"; return; }; done < <(candidates "$1")
  die "server $1 has no client '$2' (there are: $(candidates "$1" | awk '{printf "%s ", $1}'))"
}
kick() { python3 "$LAB_SRC/internet/kick.py" "$2" "$INET/$1/udp.sock" "$INET/$1/tcp.sock"; } # SERVER NAME
server_restart() { # clients are told first (as by a provider's maintenance), else they notice only by their ping timeout
  [ "$(kick "$1" '*')" = 0 ] || sleep 0.5
  server_kill "$1"; [ -e "$INET/faults/stop.$1." ] || { server_start "$1"; server_wait "$1"; }
}
want_kind() { [ "$(server_kind "$1")" = "$2" ] || die "$1 is not a server of kind $2"; }

fault() {
  local verb=${1:-} s=${2:-} arg=${3:-} n
  [ -n "$s" ] || { fault_usage >&2; exit 2; }
  is_server "$s"; alive "inet-$s" || die "the internet is not up (run: lab.sh up internet)"
  case $verb in
    *-password | *-cert | say) want_kind "$s" openvpn ;;
    *-peer-key) want_kind "$s" wireguard ;;
  esac
  case $verb in *-password | revoke-cert | restore-cert | expire-cert | *-peer-key | say) arg=$(fault_client "$s" "${arg:-?}") || exit 1 ;; esac
  case $verb in
    revoke-password)
      [ "$(server_auth "$s")" = password ] || die "$s checks no passwords"
      fault_mark "$verb" "$s" "$arg"; users_write "$s"; n=$(kick "$s" "$arg")
      echo "revoke-password: $s refuses user $arg; sessions ended: $n" ;;
    restore-password) fault_unmark revoke-password "$s" "$arg"; users_write "$s"; echo "restore-password: $s accepts user $arg again" ;;
    revoke-cert)
      fault_mark "$verb" "$s" "$arg"; grep -qxF "$arg" "$INET/$s/revoked" || echo "$arg" >>"$INET/$s/revoked"
      crl_write "$s"; n=$(kick "$s" "$arg"); echo "revoke-cert: $s refuses the certificate of $arg; sessions ended: $n" ;;
    restore-cert)
      fault_unmark revoke-cert "$s" "$arg"; n=$(grep -vxF "$arg" "$INET/$s/revoked" || true); printf '%s' "${n:+$n$'\n'}" >"$INET/$s/revoked"
      crl_write "$s"; echo "restore-cert: $s accepts the certificate of $arg again" ;;
    expire-cert)
      [ -e "$FAKETIME_LIB" ] || die "expire-cert needs the package faketime (lab.sh deps)"
      fault_mark "$verb" "$s" "$arg"
      n=$(($(date -d "$(openssl x509 -in "$KEYS/$arg.crt" -noout -enddate | cut -d= -f2)" +%s) - $(date +%s) + 60))
      echo "+$n" >"$INET/$s/clock"; server_restart "$s"; echo "expire-cert: the clock of $s is $((n / 86400)) days ahead, the certificate of $arg has ended" ;;
    unexpire-cert) rm -f "$INET/$s/clock" "$INET/faults/expire-cert.$s".*; server_restart "$s"; echo "unexpire-cert: $s has the true clock again" ;;
    expire-server-cert)
      [ -e "$INET/$s/good.crt" ] || cp "$VPN_PKI/$s.vpn.lab.crt" "$INET/$s/good.crt"
      server_cert_expired "$s"; fault_mark "$verb" "$s"; server_restart "$s"; echo "expire-server-cert: $s shows a certificate that ended yesterday" ;;
    unexpire-server-cert)
      [ ! -e "$INET/$s/good.crt" ] || mv "$INET/$s/good.crt" "$VPN_PKI/$s.vpn.lab.crt"
      fault_unmark expire-server-cert "$s"; server_restart "$s"; echo "unexpire-server-cert: $s shows its valid certificate again" ;;
    replace-peer-key)
      [ -e "$INET/faults/$verb.$s.$arg" ] || { mkdir -p "$INET/faults"; wg genkey | wg pubkey >"$INET/faults/$verb.$s.$arg"; }
      in_server "$s" wg set wg0 peer "$(cat "$KEYS/$arg.pub")" remove
      wg_peer "$s" "$(cat "$INET/faults/$verb.$s.$arg")" "$(candidates "$s" | awk -v n="$arg" '$1==n{print $5}')"
      echo "replace-peer-key: $s knows another key for $arg; its session is gone" ;;
    restore-peer-key)
      n=$INET/faults/replace-peer-key.$s.$arg; [ ! -e "$n" ] || in_server "$s" wg set wg0 peer "$(cat "$n")" remove; rm -f "$n"
      wg_peer "$s" "$(cat "$KEYS/$arg.pub")" "$(candidates "$s" | awk -v n="$arg" '$1==n{print $5}')" "$KEYS/$arg.psk"
      echo "restore-peer-key: $s knows the key of $arg again" ;;
    link-down) fault_mark "$verb" "$s"; in_router ip link set "$s" down; echo "link-down: $s is off the net" ;;
    link-up) fault_unmark link-down "$s"; in_router ip link set "$s" up; echo "link-up: $s is on the net" ;;
    stop) fault_mark "$verb" "$s"; server_kill "$s"; echo "stop: the processes of $s are gone" ;;
    start) fault_unmark stop "$s"; server_start "$s"; server_wait "$s"; echo "start: $s runs" ;;
    say) n=$(python3 "$LAB_SRC/internet/kick.py" "$arg" --say "${4:?the words}" "$INET/$s/udp.sock" "$INET/$s/tcp.sock"); [ "$n" != 0 ] || die "$arg has no session on $s that could be told anything"; echo "say: $s told $arg '$4'" ;;
    delay) fault_delay "$s" "${arg:?milliseconds}"; echo "delay: $s sends $arg ms late" ;;
    *) fault_usage >&2; exit 2 ;;
  esac
}
server_cert_expired() { # same key, same name, ended yesterday ('openssl ca', since 'openssl x509' cannot choose dates)
  local d=$INET/$1/expired c=$VPN_PKI/$1.vpn.lab; rm -rf "$d"; mkdir -p "$d"; : >"$d/index.txt"
  printf '[ca]\ndefault_ca=x\n[x]\ndatabase=%s\nnew_certs_dir=%s\nrand_serial=yes\ndefault_md=sha256\npolicy=p\nx509_extensions=e\n[p]\ncommonName=supplied\n[e]\nbasicConstraints=CA:FALSE\nkeyUsage=digitalSignature\nextendedKeyUsage=serverAuth\n' \
    "$d/index.txt" "$d" >"$d/cnf"
  openssl req -new -key "$c.key" -subj "/CN=$1.vpn.lab" -out "$d/csr"
  openssl ca -batch -notext -config "$d/cnf" -cert "$VPN_PKI/ca.crt" -keyfile "$VPN_PKI/ca.key" -in "$d/csr" -out "$c.crt" \
    -startdate "$(date -u -d '-30 days' +%Y%m%d%H%M%SZ)" -enddate "$(date -u -d '-1 day' +%Y%m%d%H%M%SZ)" 2>/dev/null || die "openssl ca failed"
  rm -rf "$d"
}
fault_delay() { # SERVER MS: what the server sends takes a detour through tun delay0
  local s=$1 ms=$2 ip; [[ $ms =~ ^[0-9]+$ ]] || die "delay: not a number of milliseconds: $ms"
  ip=$(server_ip "$s")
  in_server "$s" sh -c 'for p in 40 41 42 50; do ip rule del pref $p; done' 2>/dev/null || true
  halt "delay-$s" 2; rm -f "$INET/faults/delay.$s".*
  [ "$ms" != 0 ] || return 0
  fault_mark delay "$s" "$ms"
  spawn_server "$s" "delay-$s" python3 "$LAB_SRC/internet/delay.py" "$ms"
  await "delay-$s" 10 in_server "$s" ip link show delay0
  # Looked up twice: first into delay0, then, coming out of it, as without the fault. The pools stay where they are.
  in_server "$s" sh -ec "ip link set delay0 up; echo 1 >/proc/sys/net/ipv4/conf/delay0/accept_local; echo 0 >/proc/sys/net/ipv4/conf/delay0/rp_filter
    ip route replace default dev delay0 src $ip table 50
    ip rule add pref 40 iif delay0 lookup main; ip rule add pref 41 to $OVPN_POOL lookup main; ip rule add pref 42 to $WG_POOL lookup main; ip rule add pref 50 lookup 50"
}
faults_list() { local f; for f in "$INET"/faults/*; do [ ! -e "$f" ] || basename "$f" | tr . ' '; done; }
faults_clear() { # [LANE]: back to working servers, whatever was done
  local s n=0 f servers=() restart=()
  for s in $(server_names "${1:-}"); do ! alive "inet-$s" || servers+=("$s"); done
  [ ${#servers[@]} -gt 0 ] || die "no server to mend: is there a lane ${1:-}, and is the internet up?"
  for s in "${servers[@]}"; do
    for f in "$INET/faults/"*."$s".*; do [ ! -e "$f" ] || n=$((n + 1)); done
    [ ! -e "$INET/$s/clock" ] && [ ! -e "$INET/$s/good.crt" ] || restart+=("$s")
    [ ! -e "$INET/faults/link-down.$s." ] || in_router ip link set "$s" up
    for f in "$INET/faults/delay.$s".*; do [ ! -e "$f" ] || fault_delay "$s" 0; done
    for f in "$INET/faults/replace-peer-key.$s".*; do [ ! -e "$f" ] || [ -e "$INET/faults/stop.$s." ] || fault restore-peer-key "$s" "${f##*.}" >/dev/null; done
  done
  for s in "${servers[@]}"; do
    rm -f "$INET/faults/"*."$s".*
    faults_forget "$s"
  done
  for s in "${restart[@]}"; do server_restart "$s"; done
  for s in "${servers[@]}"; do server_start "$s"; done
  for s in "${servers[@]}"; do server_wait "$s"; done
  echo "faults clear: $n undone"
}
