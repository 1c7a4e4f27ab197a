#!/bin/sh
# Makes the Python environment of one peer, or makes it anew when its requirements have changed, and prints where it is:
# tests/peers/environment.sh moto
set -eu
cd "$(dirname "$0")/../.."

peer=$1
requirements=tests/peers/$peer.txt
environment="${ZONEWALK_PEERS:-${CARGO_TARGET_DIR:-$PWD/target}/peers}/$peer"
if ! cmp -s "$requirements" "$environment/requirements.txt"; then
  echo "installing the peer $peer" >&2
  rm -rf "$environment"
  python3 -m venv "$environment"
  "$environment/bin/pip" install --quiet --disable-pip-version-check --requirement "$requirements"
  cp "$requirements" "$environment/requirements.txt"
fi
echo "$environment"
