#!/usr/bin/env bash
# A soak of the whole local mesh: all of a local cloud's traffic at full rate while tasks come and go. See soak.py.
# benches/soak.sh [SECONDS]; 600 if none are given. ZONEWALK_BIN: the program, else a debug build of this source.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ -z "${ZONEWALK_BIN:-}" ]; then
  cargo build --locked --bin zonewalk
  ZONEWALK_BIN=${CARGO_TARGET_DIR:-$PWD/target}/debug/zonewalk
fi
export ZONEWALK_BIN
exec python3 benches/soak.py "$@"
