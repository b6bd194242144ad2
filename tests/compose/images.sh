#!/usr/bin/env bash
# The images of the trial into a running Docker Engine (DOCKER_HOST), without a registry: the programs that each Containerfile
# names, collected by its own collect.sh from this machine's packages; Hopkeeper and boringtun come from the two given paths.
#   images.sh HOPKEEPER BORINGTUN
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."
hopkeeper=$1 boringtun=$2 work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
# A debug binary is ten times larger with its symbols.
strip -o "$work/hopkeeper.stripped" "$hopkeeper"

image() { # NAME CONTAINERFILE ROOT [TARGET]: the arguments of 'RUN sh /collect.sh ROOT', and the last stage's (or the target's) user and entry
  local name=$1 file=$2 root=$3 target=${4:-} arguments stage changes=() line word programs=()
  arguments=$(sed -e ':a' -e '/\\$/N; s/\\\n//; ta' "$file" | sed -n "s|^RUN sh /collect.sh $root ||p")
  [ -n "$arguments" ] || { echo "images.sh: $file collects nothing into $root" >&2; exit 1; }
  for word in $arguments; do
    case ${word#*=} in
      /usr/local/bin/hopkeeper) word=${word%%=*}=$work/hopkeeper.stripped ;;
      /usr/local/bin/boringtun-cli) word=${word%%=*}=$boringtun ;;
    esac
    programs+=("$word")
  done
  sh nix/lib/collect.sh "$work/$name" "${programs[@]}"
  if [ -n "$target" ]; then stage=$(sed -n "/^FROM scratch AS $target\$/,/^FROM/p" "$file"); else stage=$(sed -n '/^FROM scratch$/,$p' "$file"); fi
  while read -r line; do changes+=(--change "$line"); done < <(grep -E '^(ENV|USER|ENTRYPOINT) ' <<<"$stage")
  tar -C "$work/$name" -c . | docker import "${changes[@]}" - "hopkeeper/$name:0.1.0" >/dev/null
}
image hopkeeper nix/hopkeeper-build-image/Containerfile /out &
image openvpn nix/ovpn-build-image/Containerfile /out &
image boringtun nix/wguard-build-image/Containerfile /boringtun boringtun &
image health nix/health-build-image/Containerfile /out &
image trial compose/Containerfile /out &
for job in $(jobs -p); do wait "$job"; done
