# LB security group
LB_SG=$(aws ec2 --region $REGION create-security-group \
--group-name az-aware-routing-lb-sg \
--description "Security group for az aware routing LB" \
--vpc-id $VPC_ID \
--query "GroupId" --output text)

# Client (frontend) security group
CLIENT_SG=$(aws ec2 --region $REGION create-security-group \
--group-name az-aware-routing-client-sg \
--description "Security group for az aware routing client" \
--vpc-id $VPC_ID \
--query "GroupId" --output text)

# Server (backend) security group
SERVER_SG=$(aws ec2 --region $REGION create-security-group \
--group-name az-aware-routing-server-sg \
--description "Security group for az aware routing server" \
--vpc-id $VPC_ID \
--query "GroupId" --output text)

# Ingress rules
aws ec2 --region $REGION authorize-security-group-ingress \
--group-id $LB_SG --protocol tcp --port 80 --cidr 0.0.0.0/0

aws ec2 --region $REGION authorize-security-group-ingress \
--group-id $CLIENT_SG --protocol tcp --port 8080 --source-group $LB_SG

aws ec2 --region $REGION authorize-security-group-ingress \
--group-id $SERVER_SG --protocol tcp --port 8090 --source-group $CLIENT_SG
