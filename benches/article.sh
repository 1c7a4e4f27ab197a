#!/usr/bin/env bash
# How much faster `up` and `down` are than the article's own commands (its steps 1 to 7 and its clean-up) on the same moto.
# The article makes 36 calls, one after the other, each by a Python program that starts anew; it waits for nothing on
# moto, where nothing runs behind a service, and `up` waits until all tasks run and requests are answered.
# Needs what tests/run.sh installs. ZONEWALK_BIN: the program, else target/debug/zonewalk.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-$PWD/target}
peers=${ZONEWALK_PEERS:-$target/peers}
zonewalk=${ZONEWALK_BIN:-$target/debug/zonewalk}
runs=${RUNS:-3}
home=$(mktemp -d)
port=5077

export PATH="$peers/aws/bin:$PATH" HOME="$home" ZONEWALK_STATE_DIR="$home"
export AWS_ENDPOINT_URL="http://127.0.0.1:$port" AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_PAGER=
export AWS_DEFAULT_REGION=us-east-1 AWS_REGION=us-east-1 AWS_EC2_METADATA_DISABLED=true

MOTO_IAM_LOAD_MANAGED_POLICIES=true "$peers/moto/bin/moto_server" -H 127.0.0.1 -p "$port" >"$home/moto.log" 2>&1 &
moto=$!
trap 'kill "$moto"; rm -rf "$home"' EXIT
until curl --silent --fail --json '{"model_name": "ecs::task", "transition": {"progression": "manual", "times": 1000000000}}' \
  "$AWS_ENDPOINT_URL/moto-api/state-manager/set-transition" >"$home/transition"; do
  kill -0 "$moto"
  sleep 0.2
done

# What the article takes for granted; `up` makes its own.
for role in ecsInstanceRole ecsTaskExecutionRole; do
  aws iam create-role --role-name "$role" --assume-role-policy-document '{}' >"$home/role"
done
aws iam create-instance-profile --instance-profile-name ecsInstanceRole >"$home/profile"

seconds() { # of a command
  local started=$EPOCHREALTIME
  "$@" >"$home/output" 2>"$home/errors" || { cat "$home/errors" >&2; return 1; }
  awk -v from="$started" -v to="$EPOCHREALTIME" 'BEGIN { printf "%.2f", to - from }'
}

# Its sleeps are added up and not slept. Some of its clean-up's commands fail there, as they do on AWS.
article() {
  bash -c '
    sleep() { echo "$1" >>"$HOME/slept"; }
    for step in 01-environment 02-security-groups 03-cluster 04-instances 05-load-balancer 06-task-definitions 07-services; do
      source "tests/data/article/step-$step.sh"
    done
    source tests/data/article/clean-up.sh
    true'
}

walk() { # up or down
  "$zonewalk" "$1" --name bench --endpoint-url "$AWS_ENDPOINT_URL" --local-traffic --output json
}

for run in $(seq "$runs"); do
  : >"$home/slept"
  by_hand=$(seconds article)
  slept=$(awk '{ sum += $1 } END { print sum + 0 }' "$home/slept")
  up=$(seconds walk up)
  down=$(seconds walk down)
  awk -v run="$run" -v hand="$by_hand" -v slept="$slept" -v up="$up" -v down="$down" 'BEGIN {
    ours = up + down
    printf "run %d: the article %.1f s and %d s of sleeps; up %.2f s, down %.2f s: ", run, hand, slept, up, down
    printf "%.1f times faster, %.1f with the sleeps\n", hand / ours, (hand + slept) / ours
  }'
done
