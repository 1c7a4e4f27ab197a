"""Calls services and operations that the local cloud does not have, over all of AWS's protocols, by boto3.

Each must be refused at once, in words of the local cloud's own that boto3 can read. Prints what is not, a line each, and exits
with 1 if anything is not.
"""

import sys

import boto3
from botocore.exceptions import BotoCoreError, ClientError

# Client, operation, parameters, and what the refusal must name.
CALLS = [
    # Query
    ("autoscaling", "describe_account_limits", {}, "autoscaling:DescribeAccountLimits"),
    ("cloudformation", "describe_stacks", {}, "service cloudformation"),
    ("ec2", "create_vpc", {"CidrBlock": "10.0.0.0/16"}, "ec2:CreateVpc"),
    ("elasticbeanstalk", "describe_applications", {}, "service elasticbeanstalk"),
    ("elb", "describe_load_balancers", {}, "DescribeLoadBalancers of version 2012-06-01"),
    ("elb", "describe_tags", {"LoadBalancerNames": ["a"]}, "DescribeTags of version 2012-06-01"),
    ("elb", "create_load_balancer", {"LoadBalancerName": "a", "Listeners": []}, "CreateLoadBalancer of version 2012-06-01"),
    ("iam", "list_users", {}, "iam:ListUsers"),
    ("rds", "describe_db_instances", {}, "service rds"),
    ("redshift", "describe_clusters", {}, "service redshift"),
    ("ses", "list_identities", {}, "service ses"),
    ("sns", "list_topics", {}, "service sns"),
    ("sts", "get_session_token", {}, "sts:GetSessionToken"),
    # Query, and not signed
    ("sts", "assume_role_with_web_identity",
     {"RoleArn": "arn:aws:iam::000000000000:role/a", "RoleSessionName": "ab", "WebIdentityToken": "abcd"},
     "sts:AssumeRoleWithWebIdentity"),
    ("sts", "assume_role_with_saml",
     {"RoleArn": "arn:aws:iam::000000000000:role/a", "PrincipalArn": "arn:aws:iam::000000000000:saml-provider/a",
      "SAMLAssertion": "abcd"},
     "sts:AssumeRoleWithSAML"),
    # JSON
    ("cloudtrail", "describe_trails", {}, "service cloudtrail"),
    ("config", "describe_config_rules", {}, "service config"),
    ("dynamodb", "list_tables", {}, "service dynamodb"),
    ("ecr", "describe_repositories", {}, "service ecr"),
    ("ecs", "list_attributes", {"targetType": "container-instance"}, "ecs:ListAttributes"),
    ("events", "list_rules", {}, "service events"),
    ("kms", "list_keys", {}, "service kms"),
    ("resourcegroupstaggingapi", "get_tag_keys", {}, "service tagging"),
    ("sqs", "list_queues", {}, "service sqs"),
    # JSON, and not signed
    ("cognito-identity", "get_id", {"IdentityPoolId": "us-east-1:a"}, "service AWSCognitoIdentityService"),
    # CBOR, in newer versions
    ("cloudwatch", "describe_alarms", {}, "cloudwatch:DescribeAlarms"),
    # REST with JSON
    ("apigateway", "get_rest_apis", {}, "service apigateway"),
    ("batch", "describe_job_queues", {}, "service batch"),
    ("efs", "describe_file_systems", {}, "service elasticfilesystem"),
    ("eks", "list_clusters", {}, "service eks"),
    ("lambda", "list_functions", {}, "service lambda"),
    ("lambda", "delete_function", {"FunctionName": "a"}, "service lambda"),
    ("vpc-lattice", "list_services", {}, "service vpc-lattice"),
    # REST with JSON, and not signed
    ("sso", "get_role_credentials", {"roleName": "a", "accountId": "000000000000", "accessToken": "a"},
     "GET /federation/credentials"),
    # REST with XML
    ("cloudfront", "list_distributions", {}, "service cloudfront"),
    ("route53", "list_hosted_zones", {}, "service route53"),
    ("s3", "create_bucket", {"Bucket": "abc"}, "service s3"),
    ("s3", "list_buckets", {}, "service s3"),
    ("s3", "get_object", {"Bucket": "abc", "Key": "a"}, "service s3"),
]


def refusal(client, operation, parameters):
    """Code, message and number of retries."""
    try:
        getattr(boto3.client(client), operation)(**parameters)
    except ClientError as error:
        answer = error.response
        return answer["Error"].get("Code"), answer["Error"].get("Message", ""), answer["ResponseMetadata"]["RetryAttempts"]
    except BotoCoreError as error:
        return None, f"{type(error).__name__}: {error}", 0
    return None, "accepted", 0


def main():
    wrong = []
    for client, operation, parameters, named in CALLS:
        code, message, retries = refusal(client, operation, parameters)
        is_ours = "zonewalk's local cloud has no " in message and named in message
        if not (is_ours and code and not code.isdigit() and retries == 0):
            wrong.append(f"{client} {operation}: {code}, {message!r}, {retries} retries")
    # The answer to HEAD has no body: its status must say neither that the bucket is there nor that it is not.
    head = refusal("s3", "head_bucket", {"Bucket": "abc"})
    if head != ("501", "Not Implemented", 0):
        wrong.append(f"s3 head_bucket: {head}")
    for complaint in wrong:
        print(complaint)
    print(f"{len(CALLS) + 1} refusals read", file=sys.stderr)
    sys.exit(1 if wrong else 0)


main()
