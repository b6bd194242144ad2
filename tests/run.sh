#!/usr/bin/env bash
# Every test of the package, as many suites at once as a small machine carries. Each suite is one of cargo's test binaries; its
# output is printed whole when it ends, what failed comes last, and then there is a table. Run by `make test`.
#
#   tests/run.sh [CARGO FLAGS]      what `cargo test` takes for building: --features failpoints
set -euo pipefail
cd "$(dirname "$0")/.."
LAB_DIR=${LAB_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/hopkeeper-lab}
OUT=$(mktemp -d)
declare -A suite_of=() began=()
# What a failed test says tells more than where it was called from, and is not buried under it.
export RUST_BACKTRACE=0

# However this ends, nothing stays: TERM and INT are handled here, and whoever outlives a kill -9 gets its own by pdeathsig.
finish() { local p; for p in "${!suite_of[@]}"; do kill "$p" 2>/dev/null || true; done; rm -rf "$OUT"; }
trap finish EXIT
trap 'exit 130' INT TERM

# The binaries, by cargo's own account.
cargo test "$@" --lib --bins --tests --no-run --message-format=json-render-diagnostics >"$OUT/built"
jq -r 'select(.reason == "compiler-artifact" and .profile.test and .executable) | "\(.target.name)\(if .target.kind[0] == "lib" then "" else "-" + .target.kind[0] end) \(.executable)"' \
  <"$OUT/built" | sed -e 's/^\([^ ]*\)-test /\1 /' | sort >"$OUT/suites"

# How each is run. Two suites wait more than they compute and have threads to spare; nobody may take processor time from the
# whole chains, whose programs are timed by each other.
options() { # SUITE: sets 'before' and 'after' the program
  before=(nice -n 5) after=()
  case $1 in
    e2e) before=() after=(--show-output --test-threads=32) ;;
    hop_net) before=() after=(--show-output --test-threads=3) ;;
    # Not while a scenario of e2e restarts Kafka: it takes this lock alone.
    kafka) before=(flock --shared --no-fork "$LAB_DIR/run/shared.lock") after=(--show-output --test-threads=1) ;;
    # One browser at a time.
    status_page) after=(--show-output --test-threads=1) ;;
    # Its bounds are those of one process's memory.
    window_memory | hostile_input) after=(--show-output --test-threads=1) ;;
    *) after=(--show-output) ;;
  esac
}
start() { # SUITE BINARY
  local before after; options "$1"
  setpriv --pdeathsig KILL "${before[@]}" "$2" "${after[@]}" >"$OUT/$1" 2>&1 </dev/null &
  suite_of[$!]=$1; began[$1]=$(date +%s.%N)
}
seconds_since() { awk -v a="$1" -v b="$(date +%s.%N)" 'BEGIN{printf "%.0f", b - a}'; }
# The last closing line is the suite's own: tests of hop_net run themselves again, and those say the same.
closing() { grep '^test result: ' "$OUT/$1" | tail -n 1 || true; }
passed() { closing "$1" | awk '{n = $4} END{print n + 0}'; }

failed=() rows=()
take() { # waits until a suite ends
  local pid code=0 name; wait -n -p pid "${!suite_of[@]}" || code=$?
  name=${suite_of[$pid]}; unset "suite_of[$pid]"
  rows+=("$name $(passed "$name") $(seconds_since "${began[$name]}") $code")
  # Without its closing line it did not come to its end, whatever its code says.
  if [ "$code" = 0 ] && [[ $(closing "$name") = "test result: ok. "* ]]; then printf '\n     Suite %s\n' "$name"; cat "$OUT/$name"
  else failed+=("$name"); printf '\n     Suite %s FAILED (%s): see the end\n' "$name" "$code"; fi
}

# The longest first. At most so many at once: e2e and hop_net wait most of their time, a third one computes.
# What shares the lab with a scenario comes after those that do not, for it waits for the one that has the lab to itself.
queue=(); for name in e2e hop_net hopkeeper hostile_input window_memory replay elasticsearch; do
  grep -q "^$name " "$OUT/suites" && queue+=("$name") || { echo "tests/run.sh: there is no suite $name" >&2; exit 1; }
done
while read -r name _; do [[ " ${queue[*]} " = *" $name "* ]] || queue+=("$name"); done <"$OUT/suites"
began_all=$(date +%s.%N)
for name in "${queue[@]}"; do
  while [ "${#suite_of[@]}" -ge "${SUITES_AT_ONCE:-3}" ]; do take; done
  start "$name" "$(awk -v n="$name" '$1 == n {print $2}' "$OUT/suites")"
done
while [ "${#suite_of[@]}" -gt 0 ]; do take; done

printf '\n%-22s %8s %8s\n' suite passed seconds
total=0; for row in "${rows[@]}"; do
  read -r name n s code <<<"$row"; total=$((total + n))
  printf '%-22s %8s %8s%s\n' "$name" "$n" "$s" "$([[ " ${failed[*]} " = *" $name "* ]] && echo "  FAILED" || true)"
done
printf '%-22s %8s %8s\n' all "$total" "$(seconds_since "$began_all")"
[ "${#failed[@]}" = 0 ] || {
  for name in "${failed[@]}"; do printf '\n     Suite %s FAILED\n' "$name"; cat "$OUT/$name"; done
  # Once more, for whoever sees the end alone: what each failed test said.
  printf '\n'
  for name in "${failed[@]}"; do awk '/ panicked at /{n = 12} /^note: run with/{n = 0} n-- > 0' "$OUT/$name" | cut -c -600; done
  printf '\ntests/run.sh: failed: %s\n' "${failed[*]}"; exit 1
}
