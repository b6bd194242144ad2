# shellcheck shell=bash
# Shared by the numbered scripts. Each may be run again: what is done is left alone.
set -euo pipefail
HERE=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
# shellcheck source=k8s/versions.env
. "$HERE/versions.env"
say() { printf '%s\n' "$*" >&2; }
die() { say "$(basename "$0"): $*"; exit 1; }
need_root() { [ "$(id -u)" = 0 ] || die "run it as root"; }
architecture() { case $(uname -m) in x86_64) echo amd64 ;; aarch64) echo arm64 ;; *) die "$(uname -m) is not supported: amd64 or arm64" ;; esac; }
# put FILE: standard input becomes FILE; true where that changed it
put() {
  local new; new=$(cat; echo .); new=${new%.}
  if [ -e "$1" ] && [ "$(cat "$1"; echo .)" = "$new." ]; then return 1; fi
  mkdir -p "$(dirname "$1")"; printf %s "$new" >"$1.new"; mv "$1.new" "$1"
}
# fill FILE NAME=VALUE...: FILE with the words in capitals replaced; none may be left without a value
fill() {
  local file=$1 text pair; shift; text=$(cat "$file")
  for pair; do
    [ -n "${pair#*=}" ] || die "${pair%%=*} is empty"
    text=${text//${pair%%=*}/${pair#*=}}
  done
  printf '%s\n' "$text"
}
# finished FILE: whether kubeadm has made FILE and come to its end; it makes FILE early, and leaves it behind when it fails
UNFINISHED=/etc/kubernetes/.kubeadm-unfinished
finished() {
  [ -e "$1" ] || return 1
  [ ! -e "$UNFINISHED" ] || die "an earlier '$(cat "$UNFINISHED")' failed: run kubeadm reset, then this again (if you brought it to its end yourself: rm $UNFINISHED)"
}
# to_the_end COMMAND...: if it fails, or the machine stops, finished knows
to_the_end() { mkdir -p "$(dirname "$UNFINISHED")"; echo "$1 $2" >"$UNFINISHED"; "$@"; rm "$UNFINISHED"; }
fetch() { curl -fsSL --retry 3 --proto '=https' "$1"; }
