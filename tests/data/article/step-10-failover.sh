# Scale backend to 2 tasks --- one AZ will have zero backend endpoints
aws ecs update-service \
--region $REGION \
--cluster $CLUSTER_NAME \
--service az-aware-backend-service-ec2 \
--desired-count 2

# Wait for tasks to drain
echo "Waiting for backend to scale down..."
sleep 60

# Now send traffic --- you should see some cross-AZ routing
for i in $(seq 1 20); do
curl -s -H "azAwareRouting: true" -H "Connection: keep-alive" http://$ALB_DNS/ | jq '{frontend: .availabilityZoneId, backend: .upstreamAvailabilityZoneId}'
done
aws ecs update-service \
--region $REGION \
--cluster $CLUSTER_NAME \
--service az-aware-backend-service-ec2 \
--desired-count $TASK_COUNT
