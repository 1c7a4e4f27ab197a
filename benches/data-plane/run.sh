#!/bin/sh
# The sidecar beside Envoy, nginx and HAProxy, in one run of some ten minutes: benches/data-plane/run.sh writes docs/performance.md.
# Needs two cores with nothing else to do. Debian: apt-get install nginx-light haproxy wrk python3-venv
set -eu
cd "$(dirname "$0")"

for tool in haproxy nginx python3 taskset wrk; do
  PATH="$PATH:/usr/sbin" command -v "$tool" >/dev/null || {
    echo "benches/data-plane/run.sh: $tool is missing (Debian: apt-get install nginx-light haproxy wrk python3-venv util-linux)" >&2
    exit 3
  }
done
target="${CARGO_TARGET_DIR:-$PWD/../../target}/data-plane"
environment="$target/python"
if ! cmp -s requirements.txt "$environment/requirements.txt"; then
  rm -rf "$environment"
  python3 -m venv "$environment"
  "$environment/bin/pip" install --quiet --disable-pip-version-check --requirement requirements.txt
  cp requirements.txt "$environment/requirements.txt"
fi
cargo build --release --locked --target-dir "$target"
PATH="$PATH:/usr/sbin" exec "$environment/bin/python3" measure.py \
  --sidecar "$target/release/sidecar" --envoy "$environment/bin/envoy" "$@"
