# shellcheck shell=bash
# Packet captures by name: where packets pass is where a leak shows.
capture() { # start NAME WHERE FILE [FILTER...] | stop NAME
  local verb=${1:-} name=${2:-} where=${3:-} file=${4:-} in
  [[ $name =~ ^[a-z0-9][a-z0-9-]*$ ]] || die "usage: lab.sh capture start NAME WHERE FILE [FILTER...] | capture stop NAME"
  case $verb in
    start)
      [ $# -ge 4 ] || die "usage: lab.sh capture start NAME WHERE FILE [FILTER...]"; shift 4
      need tcpdump
      case $where in
        internet) in=$(pid_of inet) || die "the internet is not up"; where=br0 ;;
        *) in=$(pid_of node) || die "the node is not up"
          case $where in pod:*/*)
            local p=${where#pod:}; p=$(kc -n "${p%%/*}" get pod "${p#*/}" -o 'jsonpath={.status.podIP}') && [ -n "$p" ] || die "no such pod, or it has no address: $where"
            where=$(in_node ip -o route get "$p" | sed -n 's/.* dev \([^ ]*\).*/\1/p') ;; esac ;;
      esac
      halt "capture-$name" 2; rm -f "$file"
      spawn "capture-$name" nsenter -t "$in" -n -- tcpdump -n -i "$where" -U -s 0 --immediate-mode -Z root -w "$file" "$@"
      await "capture-$name" 10 grep -q 'listening on' "$LOG/capture-$name.log"
      echo "capture $name: $where -> $file" ;;
    stop)
      alive "capture-$name" || die "no capture '$name' runs"
      halt "capture-$name" 5; echo "capture $name: $(sed -n 's/ packets captured//p' "$LOG/capture-$name.log") packets" ;;
    *) die "usage: lab.sh capture start NAME WHERE FILE [FILTER...] | capture stop NAME" ;;
  esac
}
