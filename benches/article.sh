#!/usr/bin/env bash
# How much faster `up` and `down` are than the article's own commands (its steps 1 to 7 and its clean-up) on the same moto.
# The article makes 30 calls, one after the other, each by a Python program that starts anew; it waits for nothing on
# moto, where nothing runs behind a service, and `up` waits until all tasks run and requests are answered.
# Each run has a moto of its own. Fails if the article's calls do, for they would be fast then, or if `up` and `down` together
# are not at least 15 times faster than the article as it is written.
# Needs what tests/run.sh installs. ZONEWALK_BIN: the program, else target/debug/zonewalk.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-$PWD/target}
peers=${ZONEWALK_PEERS:-$target/peers}
zonewalk=${ZONEWALK_BIN:-$target/debug/zonewalk}
runs=${RUNS:-3}
home=$(mktemp -d)
port=5077
# Of the article's calls, how many fail on moto: none, which knows no dependencies between resources.
calls=30 failures=0
least=15

export PATH="$peers/aws/bin:$PATH" HOME="$home" ZONEWALK_STATE_DIR="$home"
export AWS_ENDPOINT_URL="http://127.0.0.1:$port" AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_PAGER=
export AWS_DEFAULT_REGION=us-east-1 AWS_REGION=us-east-1 AWS_EC2_METADATA_DISABLED=true

moto=
end() { # of moto
  [ -z "$moto" ] || { kill "$moto"; wait "$moto" || true; }
  moto=
}
trap 'end; rm -rf "$home"' EXIT

begin() { # a moto with what the article takes for granted; `up` makes its own
  MOTO_IAM_LOAD_MANAGED_POLICIES=true "$peers/moto/bin/moto_server" -H 127.0.0.1 -p "$port" >"$home/moto.log" 2>&1 &
  moto=$!
  local manual='{"model_name": "ecs::task", "transition": {"progression": "manual", "times": 1000000000}}'
  until curl --silent --fail --json "$manual" "$AWS_ENDPOINT_URL/moto-api/state-manager/set-transition" >"$home/transition"; do
    kill -0 "$moto"
    sleep 0.2
  done
  for role in ecsInstanceRole ecsTaskExecutionRole; do
    aws iam create-role --role-name "$role" --assume-role-policy-document '{}' >"$home/role"
  done
  aws iam create-instance-profile --instance-profile-name ecsInstanceRole >"$home/profile"
}

seconds() { # of a command
  local started=$EPOCHREALTIME
  "$@" >"$home/output" 2>"$home/errors" || { cat "$home/errors" >&2; return 1; }
  awk -v from="$started" -v to="$EPOCHREALTIME" 'BEGIN { printf "%.2f", to - from }'
}

# Its sleeps are added up and not slept, its calls counted, and those that fail noted.
article() {
  bash -c '
    sleep() { echo "$1" >>"$HOME/slept"; }
    aws() { echo >>"$HOME/called"; command aws "$@" || { echo "aws $*" >>"$HOME/failed"; return 1; }; }
    for step in 01-environment 02-security-groups 03-cluster 04-instances 05-load-balancer 06-task-definitions 07-services; do
      source "tests/data/article/step-$step.sh"
    done
    source tests/data/article/clean-up.sh
    true'
  check
}

check() { # that the article did what it does on moto
  local called failed
  called=$(wc -l <"$home/called")
  failed=$(grep -c '^aws ' "$home/failed" || true)
  if [ "$called" != "$calls" ] || [ "$failed" != "$failures" ]; then
    echo "$called calls instead of $calls, of which $failed failed instead of $failures:" >&2
    cat "$home/failed" >&2
    return 1
  fi
}

walk() { # up or down
  "$zonewalk" "$1" --name bench --endpoint-url "$AWS_ENDPOINT_URL" --local-traffic --output json
}

slow=0
for run in $(seq "$runs"); do
  begin
  : >"$home/slept" >"$home/called" >"$home/failed"
  by_hand=$(seconds article)
  slept=$(awk '{ sum += $1 } END { print sum + 0 }' "$home/slept")
  up=$(seconds walk up)
  down=$(seconds walk down)
  end
  awk -v run="$run" -v hand="$by_hand" -v slept="$slept" -v up="$up" -v down="$down" -v least="$least" 'BEGIN {
    ours = up + down
    printf "run %d: the article %.1f s and %d s of sleeps; up %.2f s, down %.2f s: ", run, hand, slept, up, down
    printf "%.1f times faster, %.1f with the sleeps\n", hand / ours, (hand + slept) / ours
    exit (hand + slept) / ours < least
  }' || slow=1
done
[ "$slow" = 0 ] || { echo "up and down are not $least times faster than the article as written" >&2; exit 1; }
