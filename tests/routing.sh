#!/bin/sh
# The routing engine by itself: a crate of src/routing, its fast tests and its benches is made under target/, which builds in
# seconds where the whole one takes minutes.
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
crate="${CARGO_TARGET_DIR:-$PWD/target}/routing"
rm -rf "$crate/src" "$crate/tests" "$crate/benches" "$crate/.cargo"
mkdir -p "$crate/src" "$crate/tests/it" "$crate/tests/data" "$crate/benches"
cp -R src/routing "$crate/src/"
cp -R .cargo Cargo.lock "$crate/"
cp benches/routing.rs "$crate/benches/"
cp tests/it/routing_*.rs tests/it/agreement.rs tests/it/situations.rs "$crate/tests/it/"
cp tests/data/envoy-*.jsonl "$crate/tests/data/"
echo 'pub mod routing;' > "$crate/src/lib.rs"
modules=$(cd "$crate/tests/it" && printf 'mod %s;\n' *.rs)
printf '#![allow(dead_code)]\n%s\n' "$modules" | sed 's/\.rs;$/;/' > "$crate/tests/it/main.rs"
{
  cat <<'MANIFEST'
[package]
name = "zonewalk"
version = "0.1.0"
edition = "2024"

[workspace]

[lib]
bench = false

[[bench]]
name = "routing"
harness = false

[profile.test]
debug = 0
opt-level = 1

[dependencies]
MANIFEST
  grep -E '^(rand|serde) = ' Cargo.toml
  echo '[dev-dependencies]'
  grep -E '^(criterion|proptest|serde_json|serde_path_to_error) = ' Cargo.toml
} > "$crate/Cargo.toml"

unset CARGO_TARGET_DIR
cd "$crate"
case $command in
  test) exec cargo test --lib --test it "$@" ;;
  bench) exec cargo bench --bench routing -- "$@" ;;
  # A mutant is caught by a failure, whatever the smallest one is. A busy machine's slowness is none.
  mutants) PROPTEST_MAX_SHRINK_ITERS=0 exec cargo mutants --in-place --minimum-test-timeout 60 "$@" -- --lib --test it ;;
  mutants-live)
    exec cargo mutants --config .cargo/mutants-live.toml --in-place --minimum-test-timeout 60 "$@" -- --test it routing_recorded
    ;;
  *) echo "tests/routing.sh: test, bench, mutants or mutants-live, not $command" >&2; exit 2 ;;
esac
