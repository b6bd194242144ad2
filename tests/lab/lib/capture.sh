# shellcheck shell=bash
# Packet captures by name: where packets pass is where a leak shows.
capture() { # start NAME WHERE FILE [FILTER...] | stop NAME
  local verb=${1:-} name=${2:-} where=${3:-} file=${4:-} in network
  [[ $name =~ ^[a-z0-9][a-z0-9-]*$ ]] || die "usage: lab.sh capture start NAME WHERE FILE [FILTER...] | capture stop NAME"
  case $verb in
    start)
      [ $# -ge 4 ] || die "usage: lab.sh capture start NAME WHERE FILE [FILTER...]"; shift 4
      need tcpdump
      case $where in
        internet) in=$(pid_of inet) || die "the internet is not up"; where=br0 ;;
        *) in=$(pid_of node) || die "the node is not up" ;;
      esac
      network=/proc/$in/ns/net
      case $where in pod:*)
        local namespace pod interface address
        IFS=/ read -r namespace pod interface <<<"${where#pod:}"
        address=$(kc -n "$namespace" get pod "$pod" -o 'jsonpath={.status.podIP}') && [ -n "$address" ] || die "no such pod, or it has no address: $where"
        if [ -z "$interface" ]; then where=$(in_node ip -o route get "$address" | sed -n 's/.* dev \([^ ]*\).*/\1/p')
        else
          network=$(for n in "/proc/$in/root/run/netns"/*; do ! nsenter --net="$n" ip -4 -o addr show dev eth0 2>/dev/null | grep -qwF "$address" || echo "$n"; done)
          [ -e "$network" ] || die "no network namespace has the pod's address $address: $where"
          where=$interface
        fi ;;
      esac
      halt "capture-$name" 2; rm -f "$file"
      spawn "capture-$name" nsenter --net="$network" -- tcpdump -n -i "$where" -U -s 0 --immediate-mode -Z root -w "$file" "$@"
      await "capture-$name" 10 grep -q 'listening on' "$LOG/capture-$name.log"
      echo "capture $name: $where -> $file" ;;
    stop)
      alive "capture-$name" || die "no capture '$name' runs"
      halt "capture-$name" 5; echo "capture $name: $(sed -n 's/ packets captured//p' "$LOG/capture-$name.log") packets" ;;
    *) die "usage: lab.sh capture start NAME WHERE FILE [FILTER...] | capture stop NAME" ;;
  esac
}
