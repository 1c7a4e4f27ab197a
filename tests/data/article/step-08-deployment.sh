# Check cluster status
aws ecs --region $REGION describe-clusters \
--clusters $CLUSTER_NAME \
--query "clusters[0].registeredContainerInstancesCount"

# Check services
aws ecs --region $REGION describe-services \
--cluster $CLUSTER_NAME \
--services az-aware-backend-service-ec2 az-aware-fe-service-ec2 \
--query "services[].[serviceName, runningCount, desiredCount]"

# Get ALB DNS name
ALB_DNS=$(aws elbv2 --region $REGION describe-load-balancers \
--names $LB_NAME \
--query "LoadBalancers[0].DNSName" --output text)

echo $ALB_DNS
# Send traffic --- must include the azAwareRouting header to trigger backend proxy
curl -H "azAwareRouting: true" -H "Connection: keep-alive" http://$ALB_DNS/
