#!/usr/bin/env bash
# Puts a directory into a pool: every *.ovpn and *.conf becomes a candidate under its own name; beside NAME.ovpn a NAME.auth with
# user and password on two lines. A candidate that has not changed gets no new version: the operator would reload it.
#   load-pool.sh POOL DIRECTORY          for example: load-pool.sh vpn/entry ./entry
set -euo pipefail
[ $# = 2 ] || { echo "usage: load-pool.sh POOL DIRECTORY" >&2; exit 2; }
pool=$1 directory=$2 loaded=0
cli=$(command -v bao || command -v vault) || { echo "load-pool.sh: neither bao nor vault is installed" >&2; exit 1; }
put() { # KEY: JSON fields on standard input, never on a command line, which everybody can read
  local wanted; wanted=$(cat)
  if [ "$("$cli" kv get -mount=secret -format=json "$pool/$1" 2>/dev/null | jq -cS .data.data)" = "$(jq -cS . <<<"$wanted")" ]; then
    echo "$pool/$1: unchanged"
  else
    "$cli" kv put -mount=secret "$pool/$1" - <<<"$wanted" >/dev/null
    echo "$pool/$1: written"
  fi
}
for file in "$directory"/*.ovpn "$directory"/*.conf; do
  [ -e "$file" ] || continue
  loaded=$((loaded + 1))
  key=$(basename "$file"); key=${key%.*}
  [[ $key =~ ^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$ ]] || { echo "load-pool.sh: $file: the name becomes a label: at most 63 letters, digits, '-', '_', '.'" >&2; exit 1; }
  case $file in
    *.conf) jq -n --rawfile config "$file" '{config: $config}' | put "$key" ;;
    *)
      if [ -e "$directory/$key.auth" ]; then
        jq -n --rawfile profile "$file" --rawfile auth "$directory/$key.auth" '($auth | split("\n")) as $a | {profile: $profile, username: $a[0], password: $a[1]}'
      else jq -n --rawfile profile "$file" '{profile: $profile}'; fi | put "$key" ;;
  esac
done
[ "$loaded" -gt 0 ] || { echo "load-pool.sh: $directory holds no *.ovpn and no *.conf" >&2; exit 1; }
