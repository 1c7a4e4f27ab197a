#!/bin/sh
# zonewalk: Envoy's zone counters of this host's Service Connect proxies whose tasks are of family {{ family }}.
# Read-only. Both families of counters: cluster.X.lb_* and cluster.X.zone.<from>.<to>.*
set -u
containers=$(docker ps --quiet --filter "name=ecs-service-connect" --filter "label=com.amazonaws.ecs.task-definition-family={{ family }}") || exit 1
for container in $containers; do
  echo "proxy $(docker inspect "$container" | sed -n 's/.*"com.amazonaws.ecs.task-arn": "\([^"]*\)".*/\1/p' | head -n 1)"
  if stats=$(docker exec "$container" curl --silent --show-error --fail --unix-socket /tmp/envoy_admin.sock http://unix/stats 2>&1); then
    echo "$stats" | grep -E '^cluster\..*\.(lb_(zone_|local_cluster_not_ok|recalculate_zone|healthy_panic)[a-z_]*|zone\..*\.upstream_rq_(completed|[1-5]xx)): [0-9]+$'
  else
    echo "failed: $(echo "$stats" | tail -n 1)"
  fi
done
exit 0
