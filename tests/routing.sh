#!/bin/sh
# The routing engine by itself, the package in tests/routing:
#
#     tests/routing.sh test            its tests, without those that need Envoy
#     tests/routing.sh bench           what picks and rebuilds cost
#     tests/routing.sh mutants         breaks every rule in turn; fails if no test notices (cargo install cargo-mutants)
#     tests/routing.sh mutants-live    the same, noticed by what a live Envoy did, and nothing else
#
# Further arguments go to cargo, criterion and cargo-mutants.
set -eu
cd "$(dirname "$0")/.."

command=${1:?"test, bench, mutants or mutants-live"}
shift
config=$PWD/.cargo
CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}/routing"
export CARGO_TARGET_DIR
cd tests/routing

# In place: the package has links, and src/routing is as it was afterwards. A mutant is caught by a failure, whatever the
# smallest one is. A busy machine's slowness is none.
mutants() {
  PROPTEST_MAX_SHRINK_ITERS=0 exec cargo mutants --in-place --output "$CARGO_TARGET_DIR" --minimum-test-timeout 60 "$@"
}
case $command in
  test) exec cargo test --locked --lib --test it "$@" ;;
  bench) exec cargo bench --locked --bench routing -- "$@" ;;
  mutants) mutants --config "$config/mutants.toml" "$@" -- --lib --test it ;;
  mutants-live) mutants --config "$config/mutants-live.toml" "$@" -- --test it routing_recorded ;;
  *) echo "tests/routing.sh: test, bench, mutants or mutants-live, not $command" >&2; exit 2 ;;
esac
