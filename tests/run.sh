#!/bin/sh
# The one test command. Makes the environments of the peers, in Python and Node, under target/ (or $CARGO_TARGET_DIR), then runs every
# test, those that need a peer included. Arguments go to the test binaries: tests/run.sh article
set -eu
cd "$(dirname "$0")/.."

ZONEWALK_PEERS="${CARGO_TARGET_DIR:-$PWD/target}/peers"
export ZONEWALK_PEERS

for tool in chromedriver chromium curl jq node npm; do
  command -v "$tool" >/dev/null || {
    echo "tests/run.sh: $tool is missing (Debian: apt-get install chromium chromium-driver curl jq nodejs npm)" >&2
    exit 3
  }
done

for requirements in tests/peers/*.txt; do
  tests/peers/environment.sh "$(basename "$requirements" .txt)" >/dev/null
done
# What tests/peers/js asks for, of the versions that it locks.
environment="$ZONEWALK_PEERS/js"
if ! cmp -s tests/peers/js/package-lock.json "$environment/package-lock.json" || [ ! -d "$environment/node_modules" ]; then
  echo "installing the peer js" >&2
  rm -rf "$environment"
  mkdir -p "$environment"
  cp tests/peers/js/package.json tests/peers/js/package-lock.json "$environment"
  npm ci --prefix "$environment" --silent --no-audit --no-fund
fi
ENVOY_BIN="$ZONEWALK_PEERS/envoy/bin/envoy"
export ENVOY_BIN

# Generous, beside the build: a test that hangs is to fail, not to keep a machine.
cargo test --locked --no-run
# README's commands share this build. Fresh is what is compiled already.
build="$ZONEWALK_PEERS/build.json"
cargo build --locked --message-format=json >"$build"
again=$(jq -r 'select(.reason == "compiler-artifact" and (.fresh | not)) | .package_id' "$build")
if [ -n "$again" ]; then
  echo "tests/run.sh: after the tests, cargo build compiles these once more. A dev-dependency turns on features of theirs," >&2
  printf 'which belong under [dependencies] then:\n%s\n' "$again" >&2
  exit 1
fi
# Packages of it. Not beside the tests: maturin takes the program away while it packs it.
if [ $# -eq 0 ] || [ "$1" = packages ]; then
  ZONEWALK_PACKAGES="${CARGO_TARGET_DIR:-$PWD/target}/dist/dev"
  export ZONEWALK_PACKAGES
  rm -rf "$ZONEWALK_PACKAGES"
  said=$( (.ci/release wheel --profile dev && .ci/release archive --profile dev) 2>&1) || {
    printf '%s\n' "$said" >&2
    exit 1
  }
  case $said in
    *Compiling*)
      printf 'tests/run.sh: .ci/release compiles once more what cargo build has compiled:\n%s\n' "$said" >&2
      exit 1
      ;;
  esac
fi
timeout 60m cargo test --locked -- --include-ignored "$@"

# LocalStack and our own image in containers: a package of its own, on the program that was just built.
if [ $# -eq 0 ] || [ "$1" = localstack ]; then
  if docker info >/dev/null 2>&1; then
    ZONEWALK_LOCALSTACK_IMAGE=$(localstack/build.sh)
    ZONEWALK_IMAGE=$(.ci/release image --profile dev)
    ZONEWALK_BIN="${CARGO_TARGET_DIR:-$PWD/target}/debug/zonewalk"
    export ZONEWALK_LOCALSTACK_IMAGE ZONEWALK_IMAGE ZONEWALK_BIN
    timeout 15m cargo test --locked --manifest-path localstack/tests/Cargo.toml --target-dir "${CARGO_TARGET_DIR:-$PWD/target}" -- \
      --include-ignored
  else
    echo "tests/run.sh: the image and the walkthrough on LocalStack were NOT tested: they need Docker, and no engine answers" >&2
    [ -z "${CI:-}" ] || exit 3
  fi
fi
