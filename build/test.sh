#!/usr/bin/env bash
# The whole suite, from a clean clone: installs what is missing, builds, checks formatting, lint, types and the schema's
# compatibility, runs every test, and prints the plain total as its last line. Usage: npm test [-- <vitest arguments>]
set -uo pipefail
cd "$(dirname "$0")/.."
bash build/host-packages.sh --test || exit 1
[ -d node_modules/vitest ] || npm ci --no-fund --no-audit || exit 1
npm run --silent build || exit 1

passed=0 failed=0
check() { # check <what> <command …>: one counted check beside the tests
  local what=$1; shift
  if "$@"; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "FAILED: $what" >&2; fi
}
check "types" npx tsc --noEmit
check "format and lint" npx biome check .
check "type-aware lint" npx oxlint --type-aware --deny-warnings
check "schema lint" npx buf lint
check "schema compatibility" npx buf breaking --against proto/baseline/skiff.binpb

report=$(mktemp)
npx vitest run --reporter=default --reporter=json --outputFile.json="$report" "$@"
status=$?
totals=$(node build/test-totals.mjs "$report" "$passed" "$failed" "$status")
rm -f "$report"
echo "$totals"
case "$totals" in *" 0 failed"*) exit 0 ;; *) exit 1 ;; esac
