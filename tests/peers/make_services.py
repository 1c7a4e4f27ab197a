"""Makes services on Fargate with boto3, as their owners would: api, and web, which calls it and offers nothing.

Environment: AWS_ENDPOINT_URL and credentials. Argument: the cluster, which is made.
"""

import sys
import time

import boto3

CLUSTER = sys.argv[1]
ecs, ec2 = boto3.client("ecs"), boto3.client("ec2")

ecs.create_cluster(
    clusterName=CLUSTER,
    serviceConnectDefaults={"namespace": CLUSTER},
    capacityProviders=["FARGATE", "FARGATE_SPOT"],
)
while ecs.describe_clusters(clusters=[CLUSTER])["clusters"][0]["status"] != "ACTIVE":
    time.sleep(0.05)

subnets = ec2.describe_subnets(Filters=[{"Name": "default-for-az", "Values": ["true"]}])["Subnets"]
subnets = sorted(subnets, key=lambda subnet: subnet["AvailabilityZone"])[:3]
network = {"awsvpcConfiguration": {"subnets": [it["SubnetId"] for it in subnets], "assignPublicIp": "ENABLED"}}


def make(name, offers, **capacity):
    port = {"name": "http", "containerPort": 80, "appProtocol": "http"}
    ecs.register_task_definition(
        family=name,
        requiresCompatibilities=["FARGATE"],
        networkMode="awsvpc",
        cpu="256",
        memory="512",
        containerDefinitions=[{"name": name, "image": "nginx", "portMappings": [port]}],
    )
    ecs.create_service(
        cluster=CLUSTER,
        serviceName=name,
        taskDefinition=name,
        desiredCount=6,
        networkConfiguration=network,
        serviceConnectConfiguration={"enabled": True, "services": offers},
        **capacity,
    )
    ecs.get_waiter("services_stable").wait(
        cluster=CLUSTER, services=[name], WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )


make("api", [{"portName": "http", "clientAliases": [{"port": 80, "dnsName": "api"}]}], launchType="FARGATE")
make("web", [], capacityProviderStrategy=[{"capacityProvider": "FARGATE", "weight": 1}])
