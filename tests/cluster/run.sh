#!/usr/bin/env bash
# A cluster from bare machines, as docs/tutorial.md and k8s/README.md have it: machines are systemd-nspawn containers with a Debian
# of their own, systemd as their PID 1, a disk and a network; what they would get from the internet is made by build.sh and
# handed to them under the hosts' own names. README.md says what that shows and what it does not.
#
#   run.sh [--keep]     --keep: leaves the machines running after the checks until it is told to end
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")"
ROOT=$(cd ../.. && pwd)
export LAB_DIR=${LAB_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/hopkeeper-lab}
export MACHINES_DIR=${MACHINES_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/hopkeeper-machines}
DIR=$MACHINES_DIR RUN=$MACHINES_DIR/run CGROUP=hopkeeper-machines CONNTRACK=/proc/sys/net/netfilter/nf_conntrack_max
say() { printf '%s\n' "$*" >&2; }
die() { say "tests/cluster/run.sh: $*"; exit 1; }

cgroups() { find /sys/fs/cgroup -mindepth 1 -maxdepth 2 -name "$CGROUP" 2>/dev/null; }
# Whatever of an earlier run is left: processes by its control groups alone, which are made by this script.
clean() {
  local i d pids
  for ((i = 0; i < 100; i++)); do
    pids=$(for d in $(cgroups); do find "$d" -name cgroup.procs -exec cat {} + 2>/dev/null; done | sort -un)
    [ -n "$pids" ] || break
    # shellcheck disable=SC2086
    kill -9 $pids 2>/dev/null || true; sleep 0.1
  done
  for d in $(cgroups); do find "$d" -depth -type d -exec rmdir {} + 2>/dev/null || true; done
  # One number for all networks of a kernel: kube-proxy wants its own, and cannot write it from within a machine.
  [ ! -s "$RUN/conntrack" ] || cat "$RUN/conntrack" >$CONNTRACK
  rm -rf --one-file-system "$RUN"
}

if [ "${1:-}" != --inside ]; then
  [ "$(id -u)" = 0 ] || die "it needs root"
  command -v apt-get >/dev/null || die "it needs Debian"
  missing=(); for p in systemd-container mmdebstrap gpg gpg-agent dpkg nftables iproute2 jq e2fsprogs util-linux openssl python3 busybox-static procps wireguard-go wireguard-tools; do
    dpkg -s "$p" 2>/dev/null | grep -q '^Status: install ok installed' || missing+=("$p")
  done
  [ ${#missing[@]} = 0 ] || { say "installing ${missing[*]}"; DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}" >/dev/null; }
  mkdir -p "$DIR"
  exec 8>"$DIR/lock"; flock -n 8 || die "another run is busy in $DIR"
  ./build.sh
  clean
  mkdir -p "$RUN"
  # What ends it ends the namespaces' first process, and with it all of theirs, mounts and interfaces; the rest goes here, by
  # somebody who outlives even a kill -9 of this script.
  mkfifo "$RUN/alive"
  wanted=$((32768 * $(nproc))); [ $wanted -gt 131072 ] || wanted=131072
  cat $CONNTRACK >"$RUN/conntrack"; echo $wanted >$CONNTRACK
  (trap '' INT TERM HUP; exec 8>&-; read -r _ <"$RUN/alive" || true; clean) & janitor=$!
  exec 7>"$RUN/alive"
  setpriv --pdeathsig KILL "$DIR/bin/standin" fetch "$RUN/fetch.sock" "$DIR/debian" 7>&- 8>&- 2>"$RUN/fetch.log" & fetch=$!
  setpriv --pdeathsig KILL unshare --mount --net --pid --fork --kill-child=KILL --mount-proc "$PWD/run.sh" --inside "$@" 7>&- 8>&- & inside=$!
  finish() { kill -9 "$inside" "$fetch" 2>/dev/null || true; exec 7>&-; wait "$janitor" 2>/dev/null || true; }
  trap finish EXIT
  trap 'exit 130' INT TERM HUP
  code=0; wait "$inside" || code=$?
  exit $code
fi
shift

# --- from here on: in namespaces of its own ---
BRIDGE=hkm0 HERE=10.213.0.1
# shellcheck source=/dev/null
eval "$(sed -n '/^HOSTS=/p' build.sh)"
began=$SECONDS
step() { printf '\n== %s (%s s since the start)\n' "$*" $((SECONDS - began)); }
cgroup_of() { # NAME: a group in every hierarchy (v1), or in the one (v2)
  local top c d
  if [ "$(stat -fc %T /sys/fs/cgroup)" = cgroup2fs ]; then
    mkdir -p "/sys/fs/cgroup/$CGROUP/$1"
    for top in "" "/$CGROUP"; do for c in cpuset cpu io memory pids hugetlb; do echo "+$c" >"/sys/fs/cgroup$top/cgroup.subtree_control" 2>/dev/null || true; done; done
    echo "/sys/fs/cgroup/$CGROUP/$1"; return
  fi
  for top in /sys/fs/cgroup/*/; do
    [ -e "${top}cgroup.procs" ] || continue
    mkdir -p "$top$CGROUP/$1"
    # A new cpuset refuses processes until it has some.
    for c in cpuset.cpus cpuset.mems; do
      [ ! -e "$top$c" ] || for d in "$CGROUP" "$CGROUP/$1"; do [ -n "$(cat "$top$d/$c")" ] || cat "$top$c" >"$top$d/$c"; done
    done
    echo "$top$CGROUP/$1"
  done
}
# into NAME COMMAND...: this shell becomes it, in its control groups, so that whoever cleans finds it
into() { local d name=$1; shift; for d in $(cgroup_of "$name"); do echo "$BASHPID" >"$d/cgroup.procs"; done; exec "$@"; }

mount --make-rprivate /
ip link set lo up
ip link add "$BRIDGE" type bridge
ip addr add "$HERE/24" dev "$BRIDGE"; ip link set "$BRIDGE" up
"$DIR/bin/standin" serve "$HERE" "$DIR/tls/host.crt" "$DIR/tls/host.key" "$DIR/www" "$DIR/images" "$RUN/fetch.sock" >"$RUN/asked.log" 2>"$RUN/standin.log" &

declare -A init=()
# boot NAME ADDRESS
boot() {
  local name=$1 address=$2 at=$RUN/$1 pid i
  step "machine $name boots, $address"
  mkdir "$at"
  cp --sparse=always "$DIR/disk.img" "$RUN/$name.img"
  mount -o loop "$RUN/$name.img" "$at"
  echo "$name" >"$at/etc/hostname"
  printf '%s\n' "127.0.0.1 localhost" "$address $name" "$HERE $HOSTS" >"$at/etc/hosts"
  echo "nameserver $HERE" >"$at/etc/resolv.conf"
  printf '%s\n' 'auto lo host0' 'iface lo inet loopback' 'iface host0 inet static' "  address $address/24" "  gateway $HERE" >"$at/etc/network/interfaces"
  # The checkout, as somebody would have it.
  mkdir "$at/root/hopkeeper"
  git -C "$ROOT" ls-files -z | tar -C "$ROOT" --null --ignore-failed-read -T - -cf - | tar -C "$at/root/hopkeeper" -xf -
  SYSTEMD_NSPAWN_API_VFS_WRITABLE=1 into "$name" systemd-nspawn --quiet --directory="$at" --machine="$name" --hostname="$name" --register=no --keep-unit \
    --capability=all --system-call-filter='add_key keyctl bpf perf_event_open' --network-bridge="$BRIDGE" --link-journal=no --resolv-conf=off --timezone=off --console=read-only \
    /usr/local/sbin/machine-init >"$RUN/$name.log" 2>&1 </dev/null & pid=$!
  for ((i = 0; i < 600; i++)); do
    [ -d "/proc/$pid" ] || { cat "$RUN/$name.log" >&2; die "$name did not boot"; }
    # Its first child makes the second one, which is the machine's.
    init[$name]=$(pgrep -P "$pid" | tail -n 1 || true)
    [ -z "${init[$name]}" ] || case $(on "$name" systemctl is-system-running 2>/dev/null || true) in running | degraded) return ;; esac; sleep 0.1
  done
  tail -n 30 "$RUN/$name.log" >&2; die "$name did not boot in a minute"
}
on() { # NAME COMMAND...: as root logged in on that machine
  local name=$1; shift
  (into "$name-shell" nsenter --target "${init[$name]}" --all --root --wdns=/root -- env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 "$@")
}
# reads NAME: standard input by that machine's shell, in the checkout; KUBECONFIG as the tutorial has set it
reads() { on "$1" bash -c 'cd hopkeeper; if [ -e /etc/kubernetes/admin.conf ]; then export KUBECONFIG=/etc/kubernetes/admin.conf; fi; set -euo pipefail; . /dev/stdin'; }
# check SENTENCE COMMAND...: tried for a while, for some facts need a moment
passed=0
check() {
  local what=$1 i out; shift
  for ((i = 0; i < ${TRIES:-60}; i++)); do out=$("$@" 2>&1) && { say "ok   $what"; passed=$((passed + 1)); return; }; sleep 1; done
  say "FAIL $what: $out"; look; die "$what"
}
look() { # what a person would ask next
  local name
  for name in "${!init[@]}"; do
    say "--- $name"; on "$name" systemctl --failed --no-legend >&2 || true
    on "$name" journalctl --no-pager -q -n 40 -u kubelet -u containerd >&2 || true
  done
  reads a <<<'kubectl get pods -A -o wide; kubectl get events -A --sort-by .lastTimestamp | tail -n 40' >&2 || true
}
on_failure() { local code=$?; [ $code = 0 ] || { say "failed ($code); what was asked for and not there:"; grep -v '^200\|^30' "$RUN/asked.log" | sort | uniq -c >&2 || true; }; }
trap on_failure EXIT

. ./scenario.sh
. ./join.sh
. ./links.sh
step "done: $passed checks"
if [ "${1:-}" = --keep ]; then say "machines: ${!init[*]}; as root on one: nsenter -t PID -a, PID: $(declare -p init)"; sleep infinity; fi
