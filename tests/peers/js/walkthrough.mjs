// The article's walkthrough with the AWS SDK for JavaScript, version 3: its waiters, its paginators, its exceptions. From
// standard input of a Node that runs where the clients are installed; the endpoint is in the environment.

import assert from "node:assert/strict";
import * as autoscaling from "@aws-sdk/client-auto-scaling";
import * as ec2 from "@aws-sdk/client-ec2";
import * as ecs from "@aws-sdk/client-ecs";
import * as elbv2 from "@aws-sdk/client-elastic-load-balancing-v2";
import * as iam from "@aws-sdk/client-iam";
import * as logs from "@aws-sdk/client-cloudwatch-logs";
import * as servicediscovery from "@aws-sdk/client-servicediscovery";
import * as ssm from "@aws-sdk/client-ssm";

const clients = {
  asg: new autoscaling.AutoScalingClient(),
  ec2: new ec2.EC2Client(),
  ecs: new ecs.ECSClient(),
  elb: new elbv2.ElasticLoadBalancingV2Client(),
  iam: new iam.IAMClient(),
  logs: new logs.CloudWatchLogsClient(),
  names: new servicediscovery.ServiceDiscoveryClient(),
  ssm: new ssm.SSMClient(),
};
const send = (client, command) => clients[client].send(command);
const waiting = (client) => ({ client: clients[client], maxWaitTime: 120, minDelay: 1, maxDelay: 2 });
const waited = async (outcome) => assert.equal((await outcome).state, "SUCCESS");

/** The whole of a list, a few items a page. */
async function paged(paginate, client, list, input = {}, pageSize = 5) {
  const items = [];
  let pages = 0;
  for await (const page of paginate({ client: clients[client], pageSize }, input)) {
    items.push(...(page[list] ?? []));
    pages += 1;
  }
  assert.ok(items.length <= pageSize || pages > 1, `${list}: ${items.length} in one page`);
  return items;
}

/** The call fails with this exception: a class of the SDK, or a name where EC2's model has none. */
async function refused(call, exception, words) {
  const error = await call.then(() => assert.fail("it was accepted"), (error) => error);
  const isIt = typeof exception === "string" ? error.name === exception : error instanceof exception;
  assert.ok(isIt, `${error.name}: ${error.message}`);
  assert.match(error.message, words);
}

const subnetsOfAll = await paged(ec2.paginateDescribeSubnets, "ec2", "Subnets", {
  Filters: [{ Name: "map-public-ip-on-launch", Values: ["true"] }],
});
const vpc = subnetsOfAll[0].VpcId;
const byZone = new Map(subnetsOfAll.map((subnet) => [subnet.AvailabilityZone, subnet.SubnetId]));
const subnets = [...byZone.keys()].sort().slice(0, 3).map((zone) => byZone.get(zone));

const groups = [];
for (const [role, port] of [["lb", 80], ["client", 8080], ["server", 8090]]) {
  const named = { GroupName: `az-aware-routing-${role}-sg`, Description: `of the ${role}`, VpcId: vpc };
  const { GroupId } = await send("ec2", new ec2.CreateSecurityGroupCommand(named));
  await refused(send("ec2", new ec2.CreateSecurityGroupCommand(named)), "InvalidGroup.Duplicate", /already exists/);
  const from = groups.length ? { UserIdGroupPairs: [{ GroupId: groups.at(-1) }] } : { IpRanges: [{ CidrIp: "0.0.0.0/0" }] };
  const rule = { GroupId, IpPermissions: [{ IpProtocol: "tcp", FromPort: port, ToPort: port, ...from }] };
  await send("ec2", new ec2.AuthorizeSecurityGroupIngressCommand(rule));
  groups.push(GroupId);
}
await waited(ec2.waitUntilSecurityGroupExists(waiting("ec2"), { GroupIds: groups }));

const cluster = "az-aware-cluster-ec2";
await send("ecs", new ecs.CreateClusterCommand({
  clusterName: cluster,
  serviceConnectDefaults: { namespace: "az-aware-routing-ec2-ns" },
}));
await refused(send("ecs", new ecs.DescribeServicesCommand({ cluster: "other", services: ["a"] })),
  ecs.ClusterNotFoundException, /Cluster not found/);

const parameter = await send("ssm", new ssm.GetParameterCommand({
  Name: "/aws/service/ecs/optimized-ami/amazon-linux-2/recommended",
}));
await refused(send("ssm", new ssm.GetParameterCommand({ Name: "/none" })), ssm.ParameterNotFound, /.*/);
await waited(iam.waitUntilRoleExists(waiting("iam"), { RoleName: "ecsInstanceRole" }));
await waited(iam.waitUntilInstanceProfileExists(waiting("iam"), { InstanceProfileName: "ecsInstanceRole" }));
await refused(send("iam", new iam.GetRoleCommand({ RoleName: "none" })), iam.NoSuchEntityException, /cannot be found/);

const { LaunchTemplate } = await send("ec2", new ec2.CreateLaunchTemplateCommand({
  LaunchTemplateName: "az-aware-ec2-launch-template",
  LaunchTemplateData: {
    ImageId: JSON.parse(parameter.Parameter.Value).image_id,
    InstanceType: "t3.medium",
    IamInstanceProfile: { Name: "ecsInstanceRole" },
    SecurityGroupIds: groups.slice(1),
    UserData: Buffer.from(`#!/bin/bash\necho ECS_CLUSTER=${cluster} >> /etc/ecs/ecs.config\n`).toString("base64"),
  },
}));
const asgName = "az-aware-ec2-asg";
const group = {
  AutoScalingGroupName: asgName,
  LaunchTemplate: { LaunchTemplateId: LaunchTemplate.LaunchTemplateId },
  MinSize: 1,
  MaxSize: 30,
  DesiredCapacity: 12,
  VPCZoneIdentifier: subnets.join(","),
};
await send("asg", new autoscaling.CreateAutoScalingGroupCommand(group));
await refused(send("asg", new autoscaling.CreateAutoScalingGroupCommand(group)),
  autoscaling.AlreadyExistsFault, /already exists/);
await waited(autoscaling.waitUntilGroupExists(waiting("asg"), { AutoScalingGroupNames: [asgName] }));

const name = "az-aware-routing-ec2-lb";
const { LoadBalancers: [balancer] } = await send("elb", new elbv2.CreateLoadBalancerCommand({
  Name: name, Subnets: subnets, SecurityGroups: [groups[0]],
}));
const { TargetGroups: [targets] } = await send("elb", new elbv2.CreateTargetGroupCommand({
  Name: name, Protocol: "HTTP", Port: 80, VpcId: vpc, TargetType: "ip", HealthCheckPath: "/ping", HealthCheckIntervalSeconds: 10,
}));
const { LoadBalancerArn } = balancer;
const { TargetGroupArn } = targets;
await send("elb", new elbv2.CreateListenerCommand({
  LoadBalancerArn, Protocol: "HTTP", Port: 80, DefaultActions: [{ Type: "forward", TargetGroupArn }],
}));
await refused(send("elb", new elbv2.DeleteTargetGroupCommand({ TargetGroupArn })), elbv2.ResourceInUseException, /in use/);
await waited(elbv2.waitUntilLoadBalancerAvailable(waiting("elb"), { LoadBalancerArns: [LoadBalancerArn] }));

const services = [
  { family: "az-aware-backend-service-ec2", container: "backend-app", port: 8090, app: "product", alias: "backend", sg: groups[2], routes: [] },
  {
    family: "az-aware-fe-service-ec2", container: "fe-app", port: 8080, app: "fe", alias: "fe", sg: groups[1],
    routes: [{ match: "product", destination: "http://sc.test.az.aware.backend:8090", method: "Egress" }],
  },
];
await waited(autoscaling.waitUntilGroupInService(waiting("asg"), { AutoScalingGroupNames: [asgName] }));
for (const { family, container, port, app, alias, sg, routes } of services) {
  const logGroupName = `/ecs/${family}`;
  await send("logs", new logs.CreateLogGroupCommand({ logGroupName }));
  await refused(send("logs", new logs.CreateLogGroupCommand({ logGroupName })),
    logs.ResourceAlreadyExistsException, /already exists/);
  await send("ecs", new ecs.RegisterTaskDefinitionCommand({
    family,
    requiresCompatibilities: ["EC2"],
    networkMode: "awsvpc",
    cpu: "1024",
    memory: "2048",
    executionRoleArn: "arn:aws:iam::000000000000:role/ecsTaskExecutionRole",
    containerDefinitions: [{
      name: container,
      image: "public.ecr.aws/h5t0a8k7/serviceconnect/az-aware-routing-test:latest",
      portMappings: [{ name: "http", containerPort: port, protocol: "tcp", appProtocol: "http" }],
      command: ["server", `-port=${port}`, "-protocol=http", `-name=${app}`, `-routes=${JSON.stringify(routes)}`],
      logConfiguration: {
        logDriver: "awslogs",
        options: { "awslogs-group": logGroupName, "awslogs-region": "us-east-1", "awslogs-stream-prefix": "ecs" },
      },
    }],
  }));
  await send("ecs", new ecs.CreateServiceCommand({
    cluster,
    serviceName: family,
    taskDefinition: family,
    desiredCount: 6,
    launchType: "EC2",
    networkConfiguration: { awsvpcConfiguration: { subnets, securityGroups: [sg] } },
    loadBalancers: alias === "fe" ? [{ targetGroupArn: TargetGroupArn, containerName: container, containerPort: port }] : [],
    serviceConnectConfiguration: {
      enabled: true,
      services: [{
        portName: "http",
        discoveryName: `sc-test-az-aware-${alias}`,
        clientAliases: [{ port, dnsName: `sc.test.az.aware.${alias}` }],
      }],
    },
  }));
}
const families = services.map((service) => service.family);
await waited(ecs.waitUntilServicesStable(waiting("ecs"), { cluster, services: families }));
await waited(elbv2.waitUntilTargetInService(waiting("elb"), { TargetGroupArn }));

const tasks = await paged(ecs.paginateListTasks, "ecs", "taskArns", { cluster });
assert.equal(tasks.length, 12);
await waited(ecs.waitUntilTasksRunning(waiting("ecs"), { cluster, tasks }));
const instances = (await paged(ec2.paginateDescribeInstances, "ec2", "Reservations")).flatMap((each) => each.Instances);
assert.equal(instances.length, 12);
const instanceIds = instances.map((instance) => instance.InstanceId);
await waited(ec2.waitUntilInstanceRunning(waiting("ec2"), { InstanceIds: instanceIds }));
await waited(ec2.waitUntilInstanceStatusOk(waiting("ec2"), { InstanceIds: instanceIds }));
assert.equal((await paged(ecs.paginateListContainerInstances, "ecs", "containerInstanceArns", { cluster })).length, 12);
const interfaces = await paged(ec2.paginateDescribeNetworkInterfaces, "ec2", "NetworkInterfaces");
const own = interfaces.filter((each) => each.Attachment?.InstanceId);
assert.deepEqual(
  own.map((each) => each.NetworkInterfaceId).sort(),
  instances.map((instance) => instance.NetworkInterfaces[0].NetworkInterfaceId).sort(),
);
const named = await paged(servicediscovery.paginateListServices, "names", "Services", {}, 1);
assert.deepEqual(named.map((each) => each.Name).sort(), ["sc-test-az-aware-backend", "sc-test-az-aware-fe"]);
assert.equal((await paged(autoscaling.paginateDescribeScalingActivities, "asg", "Activities")).length, 12);
assert.ok((await paged(logs.paginateDescribeLogGroups, "logs", "logGroups", {}, 1)).length >= 2);
assert.ok((await paged(elbv2.paginateDescribeLoadBalancers, "elb", "LoadBalancers", {}, 1)).length === 1);
assert.ok((await paged(iam.paginateListRoles, "iam", "Roles", {}, 1)).length >= 2);

const answer = await (await fetch(`http://${balancer.DNSName}/`, { headers: { azAwareRouting: "true" } })).json();
assert.ok(answer.availabilityZoneId.startsWith("use1-az"), JSON.stringify(answer));
assert.equal(answer.availabilityZoneId, answer.upstreamAvailabilityZoneId);

// Down again, each thing refused while something else holds it.
await refused(send("ecs", new ecs.DeleteServiceCommand({ cluster, service: families[0] })),
  ecs.InvalidParameterException, /scaled above 0/);
await refused(send("ecs", new ecs.DeleteClusterCommand({ cluster })),
  ecs.ClusterContainsContainerInstancesException, /active or draining/);
await refused(send("ec2", new ec2.DeleteSecurityGroupCommand({ GroupId: groups[0] })), "DependencyViolation", /dependent object/);
for (const service of families) {
  await send("ecs", new ecs.DeleteServiceCommand({ cluster, service, force: true }));
}
await waited(ecs.waitUntilServicesInactive(waiting("ecs"), { cluster, services: families }));
await waited(ecs.waitUntilTasksStopped(waiting("ecs"), { cluster, tasks }));
await refused(send("ecs", new ecs.DeleteClusterCommand({ cluster })),
  ecs.ClusterContainsContainerInstancesException, /Container Instances/i);
await refused(send("asg", new autoscaling.DeleteAutoScalingGroupCommand({ AutoScalingGroupName: asgName })),
  autoscaling.ResourceInUseFault, /instances/);
await send("asg", new autoscaling.DeleteAutoScalingGroupCommand({ AutoScalingGroupName: asgName, ForceDelete: true }));
await send("elb", new elbv2.DeleteLoadBalancerCommand({ LoadBalancerArn }));
await waited(elbv2.waitUntilLoadBalancersDeleted(waiting("elb"), { LoadBalancerArns: [LoadBalancerArn] }));
await send("elb", new elbv2.DeleteTargetGroupCommand({ TargetGroupArn }));
await waited(ec2.waitUntilInstanceTerminated(waiting("ec2"), { InstanceIds: instanceIds }));
await waited(autoscaling.waitUntilGroupNotExists(waiting("asg"), { AutoScalingGroupNames: [asgName] }));
await send("ec2", new ec2.DeleteLaunchTemplateCommand({ LaunchTemplateId: LaunchTemplate.LaunchTemplateId }));
const [namespace] = await paged(servicediscovery.paginateListNamespaces, "names", "Namespaces");
await refused(send("names", new servicediscovery.DeleteNamespaceCommand({ Id: namespace.Id })), servicediscovery.ResourceInUse, /.+/);
for (const service of named) {
  await send("names", new servicediscovery.DeleteServiceCommand({ Id: service.Id }));
}
await send("names", new servicediscovery.DeleteNamespaceCommand({ Id: namespace.Id }));
for (const family of families) {
  await send("logs", new logs.DeleteLogGroupCommand({ logGroupName: `/ecs/${family}` }));
  await send("ecs", new ecs.DeregisterTaskDefinitionCommand({ taskDefinition: `${family}:1` }));
  const { failures } = await send("ecs", new ecs.DeleteTaskDefinitionsCommand({ taskDefinitions: [`${family}:1`] }));
  assert.deepEqual(failures, []);
}
for (const GroupId of groups.reverse()) {
  // The load balancer's interfaces are gone a while after it.
  for (let tries = 0; ; tries += 1) {
    const error = await send("ec2", new ec2.DeleteSecurityGroupCommand({ GroupId })).then(() => null, (error) => error);
    if (!error) break;
    assert.ok(error.name === "DependencyViolation" && tries < 60, `${error.name}: ${error.message}`);
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}
await refused(send("ec2", new ec2.DescribeSecurityGroupsCommand({ GroupIds: groups })), "InvalidGroup.NotFound", /do not exist/);
await send("ecs", new ecs.DeleteClusterCommand({ cluster }));
