#!/bin/sh
# The network namespace of a hop, or of the application, as its pod would have it; the other containers join it.
#   pod.sh NAME=DOCKER_ADDRESS[=ADDRESS/PREFIX]... [default=GATEWAY,MTU]
# The interface that Docker gave DOCKER_ADDRESS is named NAME, and gets the chain's own address where there is one. A default route
# remains only where it is asked for. Docker's resolver, which asks outside of the chain, is shut off.
set -eu
nft -f - <<N
table inet pod {
  chain output {
    type filter hook output priority filter; policy accept;
    ip daddr 127.0.0.11 drop
  }
}
N
# First aside: the name may be another one's yet.
number=0
for word; do
  name=${word%%=*} value=${word#*=}
  [ "$name" != default ] || continue
  had=$(ip -o -4 addr show to "${value%%=*}/32" | sed 's/^[0-9]*: *\([^ ]*\) .*/\1/')
  [ -n "$had" ] || { echo "pod.sh: no interface has ${value%%=*}" >&2; exit 1; }
  ip link set "$had" down
  ip link set "$had" name "aside$number"
  number=$((number + 1))
done
number=0
for word; do
  name=${word%%=*} value=${word#*=}
  [ "$name" != default ] || continue
  ip link set "aside$number" name "$name"
  number=$((number + 1))
  if [ "$value" != "${value#*=}" ]; then
    ip addr flush dev "$name"
    ip addr add "${value#*=}" dev "$name"
  fi
  ip link set "$name" up
done
for word; do
  case $word in default=*,*) route=${word#default=}; ip route add default via "${route%,*}" mtu "${route#*,}" ;; esac
done
touch /run/ready
trap 'exit 0' TERM INT
sleep infinity &
wait $!
