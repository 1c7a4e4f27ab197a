#!/bin/bash
set -e
echo ECS_CLUSTER={{ cluster }} >> /etc/ecs/ecs.config
echo AWS_DEFAULT_REGION={{ region }} >> /etc/ecs/ecs.config
