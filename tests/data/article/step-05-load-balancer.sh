# Create ALB
ALB_ARN=$(aws elbv2 --region $REGION create-load-balancer \
--name $LB_NAME \
--subnets $SUBNET_1 $SUBNET_2 $SUBNET_3 \
--security-groups $LB_SG \
--query "LoadBalancers[0].LoadBalancerArn" --output text)

# Create target group
TG_ARN=$(aws elbv2 --region $REGION create-target-group \
--name $LB_NAME \
--protocol HTTP --port 80 \
--vpc-id $VPC_ID \
--target-type ip \
--health-check-path /ping \
--health-check-interval-seconds 10 \
--query "TargetGroups[0].TargetGroupArn" --output text)

# Create listener
aws elbv2 --region $REGION create-listener \
--load-balancer-arn $ALB_ARN \
--protocol HTTP --port 80 \
--default-actions Type=forward,TargetGroupArn=$TG_ARN
