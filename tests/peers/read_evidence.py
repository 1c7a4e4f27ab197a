"""boto3 against a local cloud that has history and traffic: every new list by its paginator, CloudWatch by each of its protocols.

Environment: AWS_ENDPOINT_URL and credentials. Arguments: cluster, namespace, log group.
"""

import datetime
import json
import sys
import urllib.parse
import urllib.request

import boto3

CLUSTER, NAMESPACE, GROUP = sys.argv[1:]
NOW = datetime.datetime.now(datetime.timezone.utc)
WEEK = NOW - datetime.timedelta(days=7)


def pages(service, operation, size, **arguments):
    paginator = boto3.client(service).get_paginator(operation)
    config = {"PageSize": size} if size else {}
    return list(paginator.paginate(PaginationConfig=config, **arguments))


metrics = [metric for page in pages("cloudwatch", "list_metrics", None) for metric in page["Metrics"]]
assert len(metrics) > 500, len(metrics)
assert {metric["Namespace"] for metric in metrics} == {"AWS/ECS"}
names = {metric["MetricName"] for metric in metrics}
assert {"TargetProcessedBytes", "HTTPCode_Target_2XX_Count", "LiveTaskCount"} <= names, names

query = {
    "Id": "bytes",
    "MetricStat": {
        "Metric": {
            "Namespace": "AWS/ECS",
            "MetricName": "TargetProcessedBytes",
            "Dimensions": [
                {"Name": "TargetDiscoveryName", "Value": "cart"},
                {"Name": "ServiceName", "Value": "web0"},
                {"Name": "ClusterName", "Value": "shop"},
            ],
        },
        "Period": 3600,
        "Stat": "Sum",
    },
}
arguments = {"MetricDataQueries": [query], "StartTime": WEEK, "EndTime": NOW, "MaxDatapoints": 100}
values = [value for page in pages("cloudwatch", "get_metric_data", None, **arguments) for value in page["MetricDataResults"][0]["Values"]]
assert values == [1000.0] * 168, (len(values), values[:3])

try:
    boto3.client("cloudwatch").get_metric_data(MetricDataQueries=[query], StartTime=NOW, EndTime=WEEK)
    raise AssertionError("the end is before the beginning")
except boto3.client("cloudwatch").exceptions.ClientError as error:
    assert error.response["Error"]["Code"] == "ValidationError", error.response

# Query, as older clients speak it.
form = urllib.parse.urlencode({"Action": "ListMetrics", "Version": "2010-08-01", "MetricName": "LiveTaskCount"})
request = urllib.request.Request(
    boto3.client("cloudwatch").meta.endpoint_url,
    form.encode(),
    {
        "Authorization": "AWS4-HMAC-SHA256 Credential=k/20261126/us-east-1/monitoring/aws4_request, SignedHeaders=host, Signature=0",
        "Content-Type": "application/x-www-form-urlencoded",
    },
)
answer = urllib.request.urlopen(request).read().decode()
assert "<ListMetricsResult>" in answer and "<MetricName>LiveTaskCount</MetricName>" in answer, answer[:300]

streams = [stream for page in pages("logs", "describe_log_streams", 5, logGroupName=GROUP) for stream in page["logStreams"]]
assert len(streams) == len({stream["logStreamName"] for stream in streams}) > 5, len(streams)
events = [event for page in pages("logs", "filter_log_events", 20, logGroupName=GROUP) for event in page["events"]]
assert len({event["eventId"] for event in events}) == len(events) > 20, len(events)
accesses = [json.loads(event["message"]) for event in events if event["message"].startswith("{")]
assert all(access["method"] == "GET" for access in accesses) and accesses

flow_logs = [log for page in pages("ec2", "describe_flow_logs", 1) for log in page["FlowLogs"]]
assert len(flow_logs) == 1 and flow_logs[0]["LogFormat"].endswith("${next-hop-az-id}"), flow_logs
records = [event["message"].split(" ") for page in pages("logs", "filter_log_events", None, logGroupName="flows") for event in page["events"]]
assert records and all(len(record) == 5 for record in records), records[:3]
assert {record[3] for record in records} == {"egress", "ingress"}
crossing = [record for record in records if record[3] == "egress" and record[0] != record[4]]
assert not crossing, crossing[:3]

arns = [arn for page in pages("ecs", "list_services_by_namespace", 1, namespace=NAMESPACE) for arn in page["serviceArns"]]
assert len(arns) == 2, arns
ecs = boto3.client("ecs")
services = ecs.describe_services(cluster=CLUSTER, services=arns)["services"]
revisions = [service["currentServiceRevisions"][0]["arn"] for service in services]
described = ecs.describe_service_revisions(serviceRevisionArns=revisions)["serviceRevisions"]
for revision in described:
    assert revision["serviceConnectConfiguration"]["accessLogConfiguration"]["format"] == "JSON", revision
    assert revision["containerImages"][0]["imageDigest"].startswith("sha256:")
print(len(metrics), len(events), len(records))
