#!/usr/bin/env bash
# The images that the Containerfiles make, by podman and by the commands of docs/install-images.md, run from its text. What a
# registry would give is made here: the base is Debian's own, by mmdebstrap, under the name that the Containerfiles know it by; the
# two programs that are compiled from source are given, each in place of the stage that compiles it (a named build context).
# Archives for `docker load` and `ctr images import`: LAB_DIR/podman/NAME.tar, as hopkeeper/NAME:VERSION and lab.local/NAME:1.
#   build.sh HOPKEEPER BORINGTUN      without a program at HOPKEEPER its image is left out
# NO_CACHE=1 builds each stage anew.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."
. tests/images/podman.sh
hopkeeper=$1 boringtun=$2
mkdir -p "$STORE"
exec 8>"$STORE/lock"; flock 8

base=$(sed -n 's/^FROM \(docker.io\/library\/debian:[^ ]*\).*/\1/p' compose/Containerfile)
if ! in_store image exists "$base"; then
  # 13.2-slim is Debian 13, trixie; the newest of it, as apt-get in the Containerfiles asks for.
  mmdebstrap --quiet --variant=minbase --mode=root trixie "$STORE/base.tar" http://deb.debian.org/debian
  in_store import --quiet --change 'CMD ["bash"]' "$STORE/base.tar" "$base" >/dev/null
  rm "$STORE/base.tar"
fi
given() { # STAGE PATH FILE: what stands for the stage's own
  local to=$STORE/given/$1/$2
  mkdir -p "${to%/*}"
  cmp -s "$3" "$to" || install -m 755 "$3" "$to"
}
given crate usr/local/bin/boringtun-cli "$boringtun"
if [ -x "$hopkeeper" ]; then
  # A debug binary is ten times larger with its symbols.
  strip -o "$STORE/stripped" "$hopkeeper"
  given program src/target/release/hopkeeper "$STORE/stripped"
  rm "$STORE/stripped"
fi

podman() { # build -f FILE -t NAME:VERSION ...
  local name log=$STORE/build.log
  name=$(sed 's/.* -t \([^ ]*\) .*/\1/' <<<"$*")
  [[ $name != hopkeeper/hopkeeper:* || -x $hopkeeper ]] || { echo "no program at $hopkeeper: $name was not built" >&2; return 0; }
  in_store "$@" "${IN_PLACE[@]}" ${NO_CACHE:+--no-cache} >"$log" 2>&1 || { tail -n 40 "$log" >&2; echo "build.sh: $name was not built: podman $*" >&2; exit 1; }
  steps+=$(sed -n 's/^--> \(Using cache \)\?\([0-9a-f]\{11\}\).*/\2 /p' "$log")
  archive "$name"
}
archive() { # NAME:VERSION
  local id file=$STORE/${1##*/}; file=${file%:*}
  id=$(in_store image inspect --format '{{.Id}}' "localhost/$1")
  if [ "$(cat "$file.id" 2>/dev/null)" != "$id" ]; then
    rm -f "$file.new"
    in_store tag "localhost/$1" "docker.io/$1" "lab.local/$(basename "$file"):1"
    in_store save --quiet --format docker-archive --output "$file.new" "docker.io/$1" "lab.local/$(basename "$file"):1" >/dev/null
    mv "$file.new" "$file.tar"; echo "$id" >"$file.id"
  fi
}
commands=$(sed -n '/^## Without nix$/,/^## /p' docs/install-images.md | sed -n '/^```/,/^```/{/^```/!p}')
[[ $commands = *podman\ build* ]] || { echo "build.sh: docs/install-images.md has no commands" >&2; exit 1; }
steps=
eval "$commands"
# The steps of these builds are the next one's cache; those of earlier builds go.
for id in $(in_store images --all --quiet --no-trunc --filter dangling=true); do
  id=${id#sha256:}
  [[ $steps = *${id:0:11}* ]] || in_store rmi "$id" >/dev/null 2>&1 || true
done
