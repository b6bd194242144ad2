#!/usr/bin/env bash
# The checks that are not cargo's own: generated files, forbidden dependencies, file sizes, shell scripts.
set -euo pipefail
cd "$(dirname "$0")/.."
fail=0
complain() { echo "lint: $*" >&2; fail=1; }

# Two TLS stacks in one process pick their provider by accident (deny.toml says the same to cargo-deny).
dependents() { cargo tree --locked --all-features --edges normal,build --prefix none --depth 1 --invert "$1" 2>/dev/null | awk 'NR > 1 {print $1}'; }
for crate in openssl-sys aws-lc-rs native-tls; do
  # librdkafka knows no other TLS than OpenSSL's; nothing else may bring it.
  for by in $(dependents "$crate"); do
    [ "$crate $by" = "openssl-sys rdkafka-sys" ] || complain "dependency $crate (by $by) is banned: one TLS provider, ring"
  done
done

# Small files with one purpose.
while read -r lines file; do
  [ "$file" = total ] || [ "$lines" -le 500 ] || complain "$file has $lines lines: split it (500 at most)"
done < <(git ls-files '*.rs' '*.sh' | xargs wc -l)
[ "$(wc -l <src/main.rs)" -le 30 ] || complain "src/main.rs only starts: wiring belongs into src/app.rs"

# The shipped rules, by the tool that users have. That docs/rules.md and rules/schema.json are what the program prints is
# tested beside the code that prints them.
bin="${CARGO_TARGET_DIR:-target}/debug/hopkeeper"
if [ -x "$bin" ]; then
  "$bin" rules lint --deny-warnings --no-shipped-rules rules || complain "the shipped rules have warnings"
else complain "the shipped rules were not linted: no $bin; \`make lint\` builds it"; fi

if command -v shellcheck >/dev/null; then
  git ls-files '*.sh' .ci/run tests/lab/lab.sh | xargs shellcheck --severity=warning || complain "shellcheck"
elif [ -n "${CI:-}" ]; then apt-get install -y -q shellcheck >/dev/null && exec "$0"
else echo "lint: shellcheck is not installed: shell scripts were not checked" >&2; fi
exit $fail
