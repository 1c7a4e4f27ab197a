# Backend Service

aws ecs --region $REGION create-service \
--cluster $CLUSTER_NAME \
--service-name az-aware-backend-service-ec2 \
--task-definition az-aware-backend-service-ec2 \
--desired-count $TASK_COUNT \
--launch-type EC2 \
--network-configuration "awsvpcConfiguration={subnets=[$SUBNET_1,$SUBNET_2,$SUBNET_3],securityGroups=[$SERVER_SG]}" \
--service-connect-configuration '{
"enabled": true,
"logConfiguration": {
"logDriver": "awslogs",
"options": {
"awslogs-group": "/ecs/az-aware-backend-service-ec2",
"awslogs-region": "us-east-1",
"awslogs-stream-prefix": "service-connect"
}
},
"services": [{
"portName": "http",
"discoveryName": "sc-test-az-aware-backend",
"clientAliases": [{
"port": 8090,
"dnsName": "sc.test.az.aware.backend"
}]
}]
}'
# Frontend Service

aws ecs --region $REGION create-service \
--cluster $CLUSTER_NAME \
--service-name az-aware-fe-service-ec2 \
--task-definition az-aware-fe-service-ec2 \
--desired-count $TASK_COUNT \
--launch-type EC2 \
--network-configuration "awsvpcConfiguration={subnets=[$SUBNET_1,$SUBNET_2,$SUBNET_3],securityGroups=[$CLIENT_SG]}" \
--load-balancers "[{
\"targetGroupArn\": \"$TG_ARN\",
\"containerName\": \"fe-app\",
\"containerPort\": 8080
}]" \
--service-connect-configuration '{
"enabled": true,
"logConfiguration": {
"logDriver": "awslogs",
"options": {
"awslogs-group": "/ecs/az-aware-fe-service-ec2",
"awslogs-region": "us-east-1",
"awslogs-stream-prefix": "service-connect"
}
},
"services": [{
"portName": "http",
"discoveryName": "sc-test-az-aware-fe",
"clientAliases": [{
"port": 8080,
"dnsName": "sc.test.az.aware.fe"
}]
}]
}'
