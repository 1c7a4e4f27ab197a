"""boto3 builds a scene for each reason that `audit` can give, a cluster and a namespace each, in a local cloud.

Environment: AWS_ENDPOINT_URL and credentials. Argument: `build`, which prints a JSON object of the scenes' load balancers by name,
`renew`, which moves the tasks of some scenes to other hosts, `application` or `shop`, which build one of several services instead, or
`blue-green` and then `room`, which let a deployment wait for hosts.
"""

import base64
import datetime
import json
import os
import sys
import time
import urllib.request

import boto3

ZONES = ["us-east-1a", "us-east-1b", "us-east-1c"]
# Of the scene without zone-aware proxies on its hosts, and of all others.
OLD_IMAGE, NEW_IMAGE = "2023.0.20250923", "2023.0.20260323"
LAUNCH = datetime.date(2026, 7, 1)

ec2, ecs, elb = (boto3.client(name) for name in ("ec2", "ecs", "elbv2"))
autoscaling = boto3.client("autoscaling")


def until(what, holds):
    for _ in range(1500):
        if holds():
            return
        time.sleep(0.02)
    raise AssertionError(f"in vain: {what}")


def control(path, **parameters):
    """What no API of AWS's can do."""
    url = f"{os.environ['AWS_ENDPOINT_URL']}/_zonewalk/{path}"
    body = json.dumps({"region": "us-east-1", **parameters}).encode()
    return json.load(urllib.request.urlopen(urllib.request.Request(url, body)))


def record_flows():
    """Flow logs of all that goes between tasks."""
    ec2.create_flow_logs(
        ResourceIds=[vpc()],
        ResourceType="VPC",
        LogGroupName="flows",
        DeliverLogsPermissionArn="arn:aws:iam::000000000000:role/flow-logs",
        MaxAggregationInterval=60,
    )


def vpc():
    return ec2.describe_vpcs()["Vpcs"][0]["VpcId"]


def traffic(cluster, client, server, gb_a_month, hours=7 * 24):
    """What CloudWatch is to have of so many hours."""
    begin = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=hours)
    return {
        "metric": "TargetProcessedBytes",
        "dimensions": {"TargetDiscoveryName": server, "ServiceName": client, "ClusterName": cluster},
        "from": begin.isoformat().replace("+00:00", "Z"),
        "value": gb_a_month * 1e9 / 730,
    }


def live_tasks(cluster, name, begin, count):
    """What CloudWatch is to have of an hour."""
    return {
        "metric": "LiveTaskCount",
        "dimensions": {"ServiceName": name, "ClusterName": cluster},
        "from": begin.isoformat().replace("+00:00", "Z"),
        "to": (begin + datetime.timedelta(hours=1)).isoformat().replace("+00:00", "Z"),
        "value": count,
    }


def subnets():
    found = ec2.describe_subnets(Filters=[{"Name": "default-for-az", "Values": ["true"]}])["Subnets"]
    return {subnet["AvailabilityZone"]: subnet["SubnetId"] for subnet in found}


def security_group():
    """One for everything, open to all."""
    name = {"Name": "group-name", "Values": ["scenes"]}
    if found := ec2.describe_security_groups(Filters=[name])["SecurityGroups"]:
        return found[0]["GroupId"]
    made = ec2.create_security_group(GroupName="scenes", Description="Scenes of an audit")["GroupId"]
    everything = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    ec2.authorize_security_group_ingress(GroupId=made, IpPermissions=[everything])
    return made


def image(version=NEW_IMAGE):
    name = {"Name": "name", "Values": [f"al2023-ami-ecs-hvm-{version}-kernel-6.1-x86_64"]}
    return ec2.describe_images(Filters=[name])["Images"][0]["ImageId"]


SUBNETS, GROUP, IMAGE = subnets(), security_group(), image()


def hosts(cluster, zones, count=1, instance_type="t3.medium", image_id=IMAGE):
    """So many instances more in each of these zones; waits until all have joined."""
    name = f"{cluster}-{time.time_ns()}"
    user_data = f"#!/bin/bash\necho ECS_CLUSTER={cluster} >> /etc/ecs/ecs.config\n"
    data = {
        "ImageId": image_id,
        "InstanceType": instance_type,
        "IamInstanceProfile": {"Name": "ecsInstanceRole"},
        "SecurityGroupIds": [GROUP],
        "UserData": base64.b64encode(user_data.encode()).decode(),
    }
    ec2.create_launch_template(LaunchTemplateName=name, LaunchTemplateData=data)
    before = len(joined(cluster))
    wanted = count * len(zones)
    autoscaling.create_auto_scaling_group(
        AutoScalingGroupName=name,
        LaunchTemplate={"LaunchTemplateName": name},
        MinSize=0,
        MaxSize=wanted,
        DesiredCapacity=wanted,
        VPCZoneIdentifier=",".join(SUBNETS[zone] for zone in zones),
    )
    until(f"hosts of {cluster}", lambda: len(joined(cluster)) == before + wanted)


def joined(cluster):
    return ecs.list_container_instances(cluster=cluster, status="ACTIVE")["containerInstanceArns"]


def load_balancer(cluster):
    made = elb.create_load_balancer(Name=cluster, Subnets=[SUBNETS[zone] for zone in ZONES], SecurityGroups=[GROUP])
    made = made["LoadBalancers"][0]
    group = elb.create_target_group(
        Name=cluster, Protocol="HTTP", Port=80, VpcId=vpc(), TargetType="ip", HealthCheckPath="/ping"
    )["TargetGroups"][0]["TargetGroupArn"]
    forward = [{"Type": "forward", "TargetGroupArn": group}]
    elb.create_listener(LoadBalancerArn=made["LoadBalancerArn"], Protocol="HTTP", Port=80, DefaultActions=forward)
    return made["DNSName"], group


def definition(family, port, routes, launch_type, memory=512, app_protocol="http"):
    mapping = {"name": "main", "containerPort": port, "protocol": "tcp"}
    if app_protocol:
        mapping["appProtocol"] = app_protocol
    made = ecs.register_task_definition(
        family=family,
        requiresCompatibilities=[launch_type],
        networkMode="awsvpc",
        cpu="256",
        memory=str(memory),
        containerDefinitions=[
            {
                "name": "app",
                "image": "example.com/app:1",
                "essential": True,
                "portMappings": [mapping],
                "command": ["server", f"-port={port}", "-protocol=http", "-name=app", f"-routes={json.dumps(routes)}"],
            }
        ],
    )
    return made["taskDefinition"]["taskDefinitionArn"]


LOG_OPTIONS = {"awslogs-group": "/ecs/proxies", "awslogs-region": "us-east-1", "awslogs-stream-prefix": "sc"}
ACCESS_LOGS = {
    "accessLogConfiguration": {"format": "JSON"},
    "logConfiguration": {"logDriver": "awslogs", "options": {**LOG_OPTIONS, "awslogs-create-group": "true"}},
}


def service(cluster, name, port, connect, count, zones=ZONES, launch_type="EC2", routes=(), group=None, app_protocol="http", memory=512, **others):
    """Starts so many tasks in these zones, and waits until they run."""
    family = f"{cluster}-{name}"
    network = {"subnets": [SUBNETS[zone] for zone in zones], "securityGroups": [GROUP]}
    if launch_type == "FARGATE":
        network["assignPublicIp"] = "ENABLED"
    balancers = [{"targetGroupArn": group, "containerName": "app", "containerPort": port}] if group else []
    ecs.create_service(
        cluster=cluster,
        serviceName=name,
        taskDefinition=definition(family, port, list(routes), launch_type, memory, app_protocol),
        desiredCount=count,
        launchType=launch_type,
        networkConfiguration={"awsvpcConfiguration": network},
        loadBalancers=balancers,
        serviceConnectConfiguration={"enabled": True, **ACCESS_LOGS, **connect},
        **others,
    )
    run(cluster, name, count)
    if group:
        healthy(group, count)


def healthy(group, count):
    def states():
        health = elb.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
        return [target["TargetHealth"]["State"] for target in health]

    until("healthy targets", lambda: states() == ["healthy"] * count)


def run(cluster, name, count):
    def steady():
        found = ecs.describe_services(cluster=cluster, services=[name])["services"][0]
        return found["runningCount"] == found["desiredCount"] == count and len(found["deployments"]) == 1

    until(f"{count} tasks of {cluster}/{name}", steady)


def offering(cluster, name, port, count=6, launch_type="FARGATE", **others):
    """A service that offers its name."""
    alias = {"port": port, "dnsName": name}
    connect = {"services": [{"portName": "main", "discoveryName": name, "clientAliases": [alias]}]}
    service(cluster, name, port, connect, count, launch_type=launch_type, **others)


def api(cluster, *arguments, **others):
    """The called service."""
    offering(cluster, "api", 8090, *arguments, **others)


def web(cluster, count=3, **others):
    """The caller, behind a load balancer, whose address it gives. It offers no name."""
    address, group = load_balancer(cluster)
    routes = [{"match": "api", "destination": "http://api:8090", "method": "Egress"}]
    service(cluster, "web", 8080, {}, count, routes=routes, group=group, **others)
    return address


def age(cluster, name, days=3000):
    control("age", cluster=cluster, service=name, days=days)


def scene(cluster):
    ecs.create_cluster(clusterName=cluster, serviceConnectDefaults={"namespace": f"{cluster}.local"})
    until(cluster, lambda: ecs.describe_clusters(clusters=[cluster])["clusters"][0]["status"] == "ACTIVE")


# How each scene is made in its cluster. A service has as many tasks in each zone as in the others, unless it cannot. Callers run on
# instances, whose proxies show their counters, and the called on Fargate, where nothing tells it apart.


def on(cluster):
    hosts(cluster, ZONES)
    api(cluster)
    return web(cluster)


def server_deployment_old(cluster):
    address = on(cluster)
    age(cluster, "api")
    return address


def client_deployment_old(cluster):
    address = on(cluster)
    age(cluster, "web")
    return address


def launch_day(cluster):
    address = on(cluster)
    age(cluster, "web", (datetime.datetime.now(datetime.timezone.utc).date() - LAUNCH).days)
    return address


def host_too_old(cluster):
    hosts(cluster, ZONES, image_id=image(OLD_IMAGE))
    api(cluster)
    return web(cluster)


def custom_image(cluster):
    copy = ec2.copy_image(Name="our-own", SourceImageId=IMAGE, SourceRegion="us-east-1")["ImageId"]
    hosts(cluster, ZONES, image_id=copy)
    api(cluster)
    return web(cluster)


def too_few_endpoints(cluster):
    hosts(cluster, ZONES)
    api(cluster, 4)
    return web(cluster)


def threshold(cluster):
    hosts(cluster, ZONES[:2])
    api(cluster, 4, zones=ZONES[:2])
    return web(cluster, 2, zones=ZONES[:2])


def mixed(cluster):
    """A deployment stands still: there is room for half of its tasks, which need more memory than those before."""
    hosts(cluster, ZONES)
    api(cluster)
    address = web(cluster, 6)
    age(cluster, "web")
    hosts(cluster, ZONES, instance_type="t3.large")
    routes = [{"match": "api", "destination": "http://api:8090", "method": "Egress"}]
    larger = definition(f"{cluster}-web", 8080, routes, "EC2", memory=4096)
    ecs.update_service(cluster=cluster, service="web", taskDefinition=larger)

    def stands():
        deployments = ecs.describe_services(cluster=cluster, services=["web"])["services"][0]["deployments"]
        return [deployment["runningCount"] for deployment in deployments] == [3, 3]

    until("half of the tasks", stands)
    group = elb.describe_target_groups(Names=[cluster])["TargetGroups"][0]["TargetGroupArn"]
    healthy(group, 6)
    return address


def no_local_endpoint(cluster):
    """The third zone came later, and nothing is moved there."""
    hosts(cluster, ZONES[:2], 2, instance_type="t3.xlarge")
    api(cluster, launch_type="EC2", availabilityZoneRebalancing="DISABLED")
    hosts(cluster, ZONES[2:], instance_type="t3.xlarge")
    return web(cluster)


def uneven(cluster):
    """Two zones came later, and got what was started then."""
    hosts(cluster, ZONES[:1], 2, instance_type="t3.xlarge")
    api(cluster, 4, launch_type="EC2", availabilityZoneRebalancing="DISABLED")
    hosts(cluster, ZONES[1:], instance_type="t3.xlarge")
    ecs.update_service(cluster=cluster, service="api", desiredCount=6)
    run(cluster, "api", 6)
    return web(cluster)


def one_zone(cluster):
    hosts(cluster, ZONES[:1], 2)
    api(cluster, zones=ZONES[:1])
    return web(cluster, zones=ZONES[:1])


def no_tasks(cluster):
    hosts(cluster, ZONES)
    api(cluster, 0)
    return web(cluster)


def other_account(cluster):
    """The name is another account's, by a namespace that it shares. Nothing runs here for it, so that CloudWatch is told of traffic."""
    zones = [zone["ZoneId"] for zone in ec2.describe_availability_zones(ZoneNames=ZONES)["AvailabilityZones"]]
    instances = [
        {"AWS_INSTANCE_IPV4": f"10.9.0.{number}", "AVAILABILITY_ZONE_ID": zone} for number, zone in enumerate(zones * 2)
    ]
    shared = control("shared-namespace", name="partner", services=[{"name": "rates", "instances": instances}])
    hosts(cluster, ZONES)
    service(cluster, "web", 8080, {"namespace": shared["arn"]}, 3)
    control("metrics", metrics=[traffic(cluster, "web", "rates", 1, hours=1)])


SCENES = [
    on,
    server_deployment_old,
    client_deployment_old,
    launch_day,
    host_too_old,
    custom_image,
    too_few_endpoints,
    threshold,
    mixed,
    no_local_endpoint,
    uneven,
    one_zone,
    no_tasks,
    other_account,
]


def build():
    record_flows()
    addresses = {}
    for make in SCENES:
        cluster = make.__name__.replace("_", "-")
        scene(cluster)
        addresses[cluster] = make(cluster)
    print(json.dumps(addresses))


def renew():
    """Hosts of a newer image in the place of those there are, and more of those that a deployment waits for."""
    for cluster in ("host-too-old", "custom-image"):
        before = joined(cluster)
        hosts(cluster, ZONES)
        ecs.update_container_instances_state(cluster=cluster, containerInstances=before, status="DRAINING")
        group = elb.describe_target_groups(Names=[cluster])["TargetGroups"][0]["TargetGroupArn"]

        def moved():
            listed = ecs.list_tasks(cluster=cluster, serviceName="web")["taskArns"]
            tasks = ecs.describe_tasks(cluster=cluster, tasks=listed)["tasks"]
            return len(tasks) == 3 and all(task["containerInstanceArn"] not in before for task in tasks)

        until(f"tasks of {cluster} on other hosts", moved)
        healthy(group, 3)
    # One for each of the three tasks that are missing, and one to spare in each zone for the next deployment.
    hosts("mixed", ZONES, 2, instance_type="t3.large")


def application():
    """A page, a server behind it, a cache and a database: only the page and the server speak HTTP."""
    record_flows()
    cluster = "guestbook"
    scene(cluster)
    offering(cluster, "cache", 6379, app_protocol=None)
    offering(cluster, "database", 5432, app_protocol=None)
    api(cluster)
    print(json.dumps({cluster: web(cluster, launch_type="FARGATE")}))


def shop():
    """A web shop that was not deployed all at once, scales its checkout in at night, and has a week of traffic behind it."""
    cluster = "shop"
    scene(cluster)
    ecs.create_cluster(clusterName="jobs")
    offering(cluster, "redis", 6379, app_protocol=None)
    offering(cluster, "payments", 8091, 4)
    offering(cluster, "inventory", 8092)
    offering(cluster, "catalog", 8093)
    offering(cluster, "checkout", 8094)
    service(cluster, "web", 8080, {}, 6, launch_type="FARGATE")
    hosts("jobs", ZONES, image_id=image(OLD_IMAGE))
    service("jobs", "reindex", 8095, {"namespace": f"{cluster}.local"}, 3)
    today = datetime.datetime.now(datetime.timezone.utc).replace(minute=0, second=0, microsecond=0)
    age(cluster, "catalog", (today.date() - datetime.date(2026, 5, 2)).days)
    age(cluster, "checkout", 10)
    week = [
        (cluster, "web", "catalog", 2480),
        (cluster, "web", "checkout", 610),
        (cluster, "checkout", "redis", 1900),
        (cluster, "checkout", "inventory", 480),
        (cluster, "checkout", "payments", 220),
        ("jobs", "reindex", "inventory", 940),
    ]
    # Checkout has fewer tasks for eight hours of each day.
    tasks = [
        live_tasks(cluster, name, today - datetime.timedelta(hours=hour), 3 if name == "checkout" and hour % 24 < 8 else 6)
        for name in ("catalog", "checkout")
        for hour in range(7 * 24)
    ]
    control("metrics", metrics=[traffic(*pair) for pair in week] + tasks)


def blue_green():
    """A deployment that has no room for its green tasks yet."""
    cluster = "blue-green"
    scene(cluster)
    hosts(cluster, ZONES, 2)
    strategy = {"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 20}
    # One of them fills a host.
    api(cluster, launch_type="EC2", memory=3000, deploymentConfiguration=strategy)
    print(json.dumps({cluster: web(cluster, launch_type="FARGATE")}))
    age(cluster, "api")
    ecs.update_service(cluster=cluster, service="api", forceNewDeployment=True)


def room():
    """Hosts for the green tasks."""
    hosts("blue-green", ZONES, 2)


{
    "build": build,
    "renew": renew,
    "application": application,
    "shop": shop,
    "blue-green": blue_green,
    "room": room,
}[sys.argv[1]]()
