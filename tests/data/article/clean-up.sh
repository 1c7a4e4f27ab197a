# Delete services
aws ecs --region $REGION delete-service \
--cluster $CLUSTER_NAME --service az-aware-fe-service-ec2 --force
aws ecs --region $REGION delete-service \
--cluster $CLUSTER_NAME --service az-aware-backend-service-ec2 --force

# Wait for tasks to drain
sleep 60

# Delete cluster
aws ecs --region $REGION delete-cluster --cluster $CLUSTER_NAME

# Delete ASG
aws autoscaling --region $REGION delete-auto-scaling-group \
--auto-scaling-group-name $ASG_NAME --force-delete

# Delete launch template
aws ec2 --region $REGION delete-launch-template \
--launch-template-name az-aware-ec2-launch-template

# Delete load balancer
aws elbv2 --region $REGION delete-load-balancer --load-balancer-arn $ALB_ARN
aws elbv2 --region $REGION delete-target-group --target-group-arn $TG_ARN

# Delete security groups (wait for ENIs to detach)
sleep 30
aws ec2 --region $REGION delete-security-group --group-id $LB_SG
aws ec2 --region $REGION delete-security-group --group-id $CLIENT_SG
aws ec2 --region $REGION delete-security-group --group-id $SERVER_SG
