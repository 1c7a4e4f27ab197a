# Get ECS-optimized AMI
AMI_ID=$(aws ssm get-parameter \
--region $REGION \
--name /aws/service/ecs/optimized-ami/amazon-linux-2/recommended \
--query 'Parameter.Value' --output text | jq -r '.image_id')

# Create user data script
USER_DATA=$(cat <<'EOF'
#!/bin/bash
set -e
echo ECS_CLUSTER=az-aware-cluster-ec2 >> /etc/ecs/ecs.config
echo AWS_DEFAULT_REGION=us-east-1 >> /etc/ecs/ecs.config
EOF
)

# Create launch template
LT_ID=$(aws ec2 --region $REGION create-launch-template \
--launch-template-name az-aware-ec2-launch-template \
--version-description "ECS optimized launch template" \
--launch-template-data "{
\"ImageId\": \"$AMI_ID\",
\"InstanceType\": \"t3.medium\",
\"IamInstanceProfile\": {
\"Arn\": \"arn:aws:iam::${ACCOUNT_ID}:instance-profile/ecsInstanceRole\"
},
\"SecurityGroupIds\": [\"$CLIENT_SG\", \"$SERVER_SG\"],
\"MetadataOptions\": {
\"HttpEndpoint\": \"enabled\",
\"HttpTokens\": \"required\",
\"HttpPutResponseHopLimit\": 2
},
\"UserData\": \"$(echo "$USER_DATA" | base64 | tr -d '\n')\",
\"TagSpecifications\": [{
\"ResourceType\": \"instance\",
\"Tags\": [{
\"Key\": \"Name\",
\"Value\": \"az-aware-ecs-instance\"
}]
}]
}" \
--query 'LaunchTemplate.LaunchTemplateId' \
--output text)

# Create ASG --- desired capacity = TASK_COUNT * 2 (one instance per task)
aws autoscaling --region $REGION create-auto-scaling-group \
--auto-scaling-group-name $ASG_NAME \
--launch-template "LaunchTemplateId=$LT_ID" \
--min-size 1 \
--max-size 30 \
--desired-capacity $((TASK_COUNT * 2)) \
--vpc-zone-identifier "$SUBNET_1,$SUBNET_2,$SUBNET_3" \
--health-check-type EC2 \
--health-check-grace-period 300 \
--tags "Key=Name,Value=az-aware-ecs-instance,PropagateAtLaunch=true"
