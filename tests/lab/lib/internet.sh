# shellcheck shell=bash
# The "internet": a router namespace joined to the node by one link, a segment 198.51.100.0/24 behind it, and every server in its
# own network and mount namespace. The node masquerades its pods; the router has no route to them, nor the host to the segment.
INET=$LAB_DIR/internet
NODE_PUBLIC=203.0.113.2 ROUTER_PUBLIC=203.0.113.1 SEGMENT=198.51.100.0/24 ROUTER_IP=198.51.100.1
VPN_PORT=1194 WG_PORT=51820 OVPN_POOL=10.8.0.0/24 WG_POOL=10.9.0.0/24

# Every lane has servers and candidates of its own, so that whoever breaks some disturbs nobody in another lane. Lane 1's names
# are bare; in lane 2 'entry' is 'lane2-entry', at an address 100 higher, and so on: 1 to 3 fit into the segment.
LANES=3
lane_prefix() { [ "$1" = 1 ] || echo "lane$1-"; }
lane_servers() { # LANE
  local p n=$((($1 - 1) * 100)); p=$(lane_prefix "$1")
  #      server      address                   kind      who may connect  lane
  cat <<T
${p}entry   198.51.100.$((n + 11)) openvpn   password    $1
${p}entry2  198.51.100.$((n + 21)) openvpn   password    $1
${p}middle  198.51.100.$((n + 12)) wireguard -           $1
${p}middle2 198.51.100.$((n + 22)) wireguard -           $1
${p}exit    198.51.100.$((n + 13)) openvpn   certificate $1
${p}exit2   198.51.100.$((n + 23)) openvpn   certificate $1
T
}
SERVERS=$(for ((l = 1; l <= LANES; l++)); do lane_servers $l; done; echo "web 198.51.100.80 web - -")
server_names() { awk -v l="${1:-}" 'l=="" || $5==l {print $1}' <<<"$SERVERS"; } # [LANE]
server_field() { awk -v s="$1" -v f="$2" '$1==s{print $f; found=1} END{exit !found}' <<<"$SERVERS"; }
server_ip() { server_field "$1" 2; }
servers_of() { awk -v k="$1" '$3==k{print $1}' <<<"$SERVERS"; } # KIND
server_kind() { server_field "$1" 3; }
server_auth() { server_field "$1" 4; }
is_server() { server_field "$1" 1 >/dev/null || die "no server '$1' (there are: $(server_names | tr '\n' ' '))"; }

in_router() { local h; h=$(pid_of inet) || die "the internet is not up (run: lab.sh up internet)"; nsenter -t "$h" -n -m -- "$@"; }
in_server() { local h s=$1; shift; h=$(pid_of "inet-$s") || die "server $s is not up"; nsenter -t "$h" -n -m -- "$@"; }
spawn_server() { # SERVER NAME COMMAND...: a daemon in the server's namespaces
  local h s=$1 name=$2; shift 2; h=$(pid_of "inet-$s") || die "server $s is not up"; spawn "$name" nsenter -t "$h" -n -m -- "$@"
}
# A network + mount namespace held by a tiny process. /run is private: wireguard-go's socket lives at a fixed path under it.
spawn_namespace() { # NAME
  rm -f "$RUN/$1.ready"
  spawn "$1" unshare --net --mount sh -c "mount --make-rprivate / && mount -t tmpfs tmpfs /run && touch '$RUN/$1.ready' && exec '$BIN/pause'"
  await "$1" 10 test -e "$RUN/$1.ready"
}
has_link() { "${@:2}" ip link show "$1" >/dev/null 2>&1; } # LINK in_node|in_router|in_server S

router_up() {
  alive inet || {
    spawn_namespace inet
    in_router sh -ec "ip link set lo up; ip link add br0 type bridge; ip addr add $ROUTER_IP/24 dev br0; ip link set br0 up; echo 1 >/proc/sys/net/ipv4/ip_forward"
  }
  internet_join
}
# The node's uplink; also called when the node comes back under a running internet.
internet_join() {
  alive inet && alive node || return 0
  has_link inet0 in_node && return
  in_router ip link del node0 2>/dev/null || true
  in_router ip link add node0 type veth peer name inet0 netns "$(pid_of node)"
  in_router sh -ec "ip addr add $ROUTER_PUBLIC/30 dev node0; ip link set node0 up"
  in_node sh -ec "ip addr add $NODE_PUBLIC/30 dev inet0; ip link set inet0 up; ip route replace $SEGMENT via $ROUTER_PUBLIC dev inet0"
}
server_procs() { case $(server_kind "$1") in openvpn) echo "vpn-$1-udp vpn-$1-tcp" ;; wireguard) echo "vpn-$1" ;; web) echo web ;; esac; }
server_stop() { local p; for p in $(server_procs "$1"); do halt "$p" "${2:-5}"; done; } # SERVER [SECONDS of grace]
server_kill() { local p pid; for p in $(server_procs "$1"); do if pid=$(pid_of "$p"); then kill -9 "$pid" 2>/dev/null || true; fi; halt "$p" 1; done; }
server_start() { # SERVER: its daemons, unless they run
  case $(server_kind "$1") in openvpn) openvpn_start "$1" ;; wireguard) wireguard_start "$1" ;; web) web_start ;; esac
}
server_up() {
  local s=$1 ip
  ip=$(server_ip "$s")
  alive "inet-$s" || { server_kill "$s"; rm -f "$INET/faults/delay.$s".* "$INET/faults/link-down.$s."; spawn_namespace "inet-$s"; } # those two faults went with the namespace
  has_link eth0 in_server "$s" || {
    in_router ip link del "$s" 2>/dev/null || true
    in_router ip link add "$s" type veth peer name eth0 netns "$(pid_of "inet-$s")"
    in_router sh -ec "ip link set $s master br0; ip link set $s up"
    in_server "$s" sh -ec "ip link set lo up; ip addr add $ip/24 dev eth0; ip link set eth0 up; ip route replace default via $ROUTER_IP
      echo 1 >/proc/sys/net/ipv4/ip_forward; for i in all default eth0; do echo 0 >/proc/sys/net/ipv4/conf/\$i/rp_filter; done"
    # Clients leave as the server's own address. delay0 is where 'fault delay' holds packets: they pass it before eth0.
    in_server "$s" nft -f - <<T
table inet vpn {
  chain pre { type filter hook prerouting priority raw; iifname "delay0" notrack; }
  chain post { type nat hook postrouting priority srcnat; ip saddr { $OVPN_POOL, $WG_POOL } oifname { "eth0", "delay0" } snat ip to $ip; }
}
T
  }
  [ -e "$INET/faults/stop.$s." ] || server_start "$s"
}
web_start() {
  alive web && return
  mkdir -p "$INET/web"
  spawn_server web web python3 "$LAB_SRC/internet/web.py" "$(server_ip web)" 80 "$INET/web/access.log"
  await web 10 in_server web sh -c "ss -Hltn sport = :80 | grep -q ."
}

internet_build() { boringtun_build; }
boringtun_build() {
  [ -x "$BORINGTUN" ] && "$BORINGTUN" --version 2>/dev/null | grep -qF "$BORINGTUN_VERSION" && return
  need cargo
  say "building boringtun-cli $BORINGTUN_VERSION"
  CARGO_TARGET_DIR=$LAB_DIR/boringtun/target cargo install -q --locked --root "$LAB_DIR/boringtun" "boringtun-cli@$BORINGTUN_VERSION" || die "boringtun-cli did not build"
  rm -rf "$LAB_DIR/boringtun/target"
}

internet_up() {
  is_root || die "the internet needs root"
  need openvpn wg wireguard-go nft ip openssl python3 jq
  [ -x "$BIN/pause" ] || die "not built yet (run: lab.sh build core)"
  alive node || die "the node is not up (run: lab.sh up cluster)"
  local t s; t=$(date +%s.%N)
  mkdir -p "$INET/faults"; chmod 700 "$INET"
  vpn_pki; candidates_make
  router_up
  local jobs=(); for s in $(server_names); do server_up "$s" & jobs+=($!); done
  for s in "${jobs[@]}"; do wait "$s" || die "a server did not start"; done
  for s in $(server_names); do server_wait "$s"; done
  say "internet up in $(seconds_since "$t") s: web and $LANES lanes of servers ($(server_names 1 | tr '\n' ' ')...) on $SEGMENT"
  if alive bao; then pools_publish; fi
}
server_wait() {
  local s=$1 p; [ ! -e "$INET/faults/stop.$s." ] || return 0
  case $(server_kind "$s") in
    openvpn) for p in udp tcp; do await "vpn-$s-$p" 20 grep -q 'Initialization Sequence Completed' "$LOG/vpn-$s-$p.log"; done ;;
    wireguard) await "vpn-$s" 20 in_server "$s" wg show wg0 ;;
  esac
}
internet_down() {
  local s t; t=$(date +%s.%N)
  for f in "$RUN"/capture-*.pid "$RUN"/delay-*.pid; do [ ! -e "$f" ] || halt "$(basename "$f" .pid)" 2; done
  for s in $(server_names); do { server_kill "$s"; halt "inet-$s" 2; rm -f "$RUN/inet-$s.ready"; } & done
  wait
  halt inet 2; rm -f "$RUN/inet.ready"
  rm -rf "$INET/faults" "$INET"/*/clock; for s in $(server_names); do faults_forget "$s"; done
  say "internet down in $(seconds_since "$t") s"
}
