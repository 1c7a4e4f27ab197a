#!/bin/sh
# zonewalk: Envoy's zone counters of this host's Service Connect proxies whose tasks are of family {{ family }}.
# Read-only. Both families of counters: cluster.X.lb_* and cluster.X.zone.<from>.<to>.*
set -u
for container in $(docker ps --quiet --filter "name=ecs-service-connect" --filter "label=com.amazonaws.ecs.task-definition-family={{ family }}"); do
  echo "proxy $(docker inspect --format '{{ "{{" }} index .Config.Labels "com.amazonaws.ecs.task-arn" }}' "$container")"
  docker exec "$container" curl --silent --show-error --fail --unix-socket /tmp/envoy_admin.sock http://unix/stats 2>&1 \
    | grep -E '^cluster\..*\.(lb_(zone_|local_cluster_not_ok|recalculate_zone|healthy_panic)[a-z_]*|zone\..*\.upstream_rq_(completed|[1-5]xx)): [0-9]+$|^curl:'
done
exit 0
