export REGION="us-east-1" #Update region as appropriate - this walkthrough uses us-east-1
export CLUSTER_NAME="az-aware-cluster-ec2"
export LB_NAME="az-aware-routing-ec2-lb"
export NAMESPACE_NAME="az-aware-routing-ec2-ns"
export ASG_NAME="az-aware-ec2-asg"
export TASK_COUNT="${TASK_COUNT:-6}"
export ACCOUNT_ID="$(aws sts get-caller-identity --query Account --output text)"

# Get Default VPC ID
VPC_ID=$(aws ec2 --region $REGION describe-vpcs \
--filters "Name=isDefault,Values=true" \
--query "Vpcs[0].VpcId" --output text)

# Get subnets from 3 different AZs
SUBNETS=$(aws ec2 --region $REGION describe-subnets \
--filters "Name=vpc-id,Values=$VPC_ID" "Name=map-public-ip-on-launch,Values=true" \
--query "Subnets | sort_by(@, &AvailabilityZone) | [].[SubnetId, AvailabilityZone]" \
--output text)

SUBNET_1=$(echo "$SUBNETS" | awk 'NR==1 {print $1}')
AZ_1=$(echo "$SUBNETS" | awk 'NR==1 {print $2}')

SUBNET_2=$(echo "$SUBNETS" | awk -v az="$AZ_1" '$2 != az {print $1; exit}')
AZ_2=$(echo "$SUBNETS" | awk -v az="$AZ_1" '$2 != az {print $2; exit}')

SUBNET_3=$(echo "$SUBNETS" | awk -v az1="$AZ_1" -v az2="$AZ_2" '$2 != az1 && $2 != az2 {print $1; exit}')
AZ_3=$(echo "$SUBNETS" | awk -v az1="$AZ_1" -v az2="$AZ_2" '$2 != az1 && $2 != az2 {print $2; exit}')

echo "VPC ID: $VPC_ID"
echo "Subnet 1: $SUBNET_1 (AZ: $AZ_1)"
echo "Subnet 2: $SUBNET_2 (AZ: $AZ_2)"
echo "Subnet 3: $SUBNET_3 (AZ: $AZ_3)"
