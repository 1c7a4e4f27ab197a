#!/bin/sh
# zonewalk: Envoy's zone counters of this host's Service Connect proxies whose tasks are of family {{ family }}.
# Read-only. Both families of counters: cluster.X.lb_* and cluster.X.zone.<from>.<to>.*; and, last, since SSM cuts long outputs
# off, the histograms cluster.X.zone.<from>.<to>.upstream_rq_time, which Envoys of before 2023 do not tell in full.
set -u
containers=$(docker ps --quiet --filter "name=ecs-service-connect" --filter "label=com.amazonaws.ecs.task-definition-family={{ family }}") || exit 1
task() { docker inspect "$1" | sed -n 's/.*"com.amazonaws.ecs.task-arn": "\([^"]*\)".*/\1/p' | head -n 1; }
ask() { docker exec "$1" curl --silent --show-error --fail --unix-socket /tmp/envoy_admin.sock "http://unix/stats$2" 2>&1; }
for container in $containers; do
  echo "proxy $(task "$container")"
  if stats=$(ask "$container" ''); then
    echo "$stats" | grep -E '^cluster\..*\.(lb_(zone_|local_cluster_not_ok|recalculate_zone|healthy_panic)[a-z_]*|zone\..*\.upstream_rq_(completed|[1-5]xx)): [0-9]+$'
  else
    echo "failed: $(echo "$stats" | tail -n 1)"
  fi
done
for container in $containers; do
  echo "times $(task "$container")"
  ask "$container" '?type=Histograms&usedonly&histogram_buckets=detailed&filter=zone.*upstream_rq_time' |
    sed -n '/^cluster\..*\.zone\..*\.upstream_rq_time:$/{N;s/:\n *totals=/: /p;}'
done
echo end
exit 0
