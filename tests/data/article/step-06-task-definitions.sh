# Backend Task Definition

aws ecs register-task-definition \
--region $REGION \
--family az-aware-backend-service-ec2 \
--requires-compatibilities EC2 \
--network-mode awsvpc \
--cpu 1024 \
--memory 2048 \
--execution-role-arn arn:aws:iam::${ACCOUNT_ID}:role/ecsTaskExecutionRole \
--runtime-platform cpuArchitecture=X86_64,operatingSystemFamily=LINUX \
--container-definitions '[
{
"name": "backend-app",
"image": "public.ecr.aws/h5t0a8k7/serviceconnect/az-aware-routing-test:latest",
"cpu": 512,
"memory": 1024,
"portMappings": [
{
"name": "http",
"containerPort": 8090,
"protocol": "tcp",
"appProtocol": "http"
}
],
"essential": true,
"command": ["server","-port=8090","-protocol=http","-name=product","-routes=[]"],
"logConfiguration": {
"logDriver": "awslogs",
"options": {
"awslogs-group": "/ecs/az-aware-backend-service-ec2",
"awslogs-region": "us-east-1",
"awslogs-stream-prefix": "ecs",
"awslogs-create-group": "true"
}
}
}
]'
# Frontend Task Definition

aws ecs register-task-definition \
--region $REGION \
--family az-aware-fe-service-ec2 \
--requires-compatibilities EC2 \
--network-mode awsvpc \
--cpu 1024 \
--memory 2048 \
--execution-role-arn arn:aws:iam::${ACCOUNT_ID}:role/ecsTaskExecutionRole \
--runtime-platform cpuArchitecture=X86_64,operatingSystemFamily=LINUX \
--container-definitions '[
{
"name": "fe-app",
"image": "public.ecr.aws/h5t0a8k7/serviceconnect/az-aware-routing-test:latest",
"cpu": 512,
"memory": 1024,
"portMappings": [
{
"name": "http",
"containerPort": 8080,
"protocol": "tcp",
"appProtocol": "http"
}
],
"essential": true,
"command": ["server","-port=8080","-protocol=http","-name=fe","-routes=[{\"match\":\"product\", \"destination\": \"http://sc.test.az.aware.backend:8090\",\"method\":\"Egress\"}]"],
"logConfiguration": {
"logDriver": "awslogs",
"options": {
"awslogs-group": "/ecs/az-aware-fe-service-ec2",
"awslogs-region": "us-east-1",
"awslogs-stream-prefix": "ecs",
"awslogs-create-group": "true"
}
}
}
]'
