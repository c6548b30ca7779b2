"""The launch roles hold what CloudFormation needs for the two stacks, and no more.

What CloudFormation needs is read from the resource types' own schemas, as the CloudFormation registry publishes them
and cfn-lint ships them: each names the permissions of its create, read, update and delete handlers
(https://docs.aws.amazon.com/cloudformation-cli/latest/userguide/resource-type-schema.html#schema-properties-handlers).
Those cover every property that a type has; what ours never set is left out below, with the reason.
"""

import json
import re
from fnmatch import fnmatchcase
from itertools import pairwise

import pytest
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER as REGISTRY
from release import LAUNCH_ROLE

from tests.service_catalog.policies import statements
from tests.service_catalog.template import CONSUMER, PRODUCER, REGION, SERVICE_CATALOG, Template

PRODUCTS = {"producer": PRODUCER, "consumer": CONSUMER}
NEEDED = {"LambdaS3Bucket": "acme-artifacts"}
LAUNCH = {
    kind: Template(SERVICE_CATALOG / "launch-roles" / f"{kind}.yaml", product.account, NEEDED)
    for kind, product in PRODUCTS.items()
}
both = pytest.mark.parametrize("kind", PRODUCTS)

LEFT_OUT = {  # (type, action): why no stack of ours needs it
    ("AWS::DynamoDB::Table", "dynamodb:*Item"): "copies items of an imported or replicated table; ours is neither",
    ("AWS::DynamoDB::Table", "dynamodb:*Import*"): "nothing is imported",
    ("AWS::DynamoDB::Table", "dynamodb:*TableReplica"): "one region",
    ("AWS::DynamoDB::Table", "dynamodb:*KinesisStreamingDestination"): "no stream; but see READ_ALL",
    ("AWS::DynamoDB::Table", "dynamodb:DeleteResourcePolicy"): "no policy on it",
    ("AWS::DynamoDB::Table", "dynamodb:PutResourcePolicy"): "no policy on it",
    ("AWS::DynamoDB::Table", "dynamodb:Query"): "for replicas",
    ("AWS::DynamoDB::Table", "dynamodb:Scan"): "for replicas",
    ("AWS::DynamoDB::Table", "dynamodb:UpdateContributorInsights"): "not switched on",
    ("AWS::DynamoDB::Table", "iam:CreateServiceLinkedRole"): "for replicas and scaling; ours is on-demand",
    ("AWS::DynamoDB::Table", "kinesis:*"): "no stream",
    ("AWS::DynamoDB::Table", "kms:*"): "under aws/dynamodb, which lets the account's principals use it",
    ("AWS::DynamoDB::Table", "logs:*"): "of an import",
    ("AWS::DynamoDB::Table", "s3:*"): "of an import",
    ("AWS::EC2::VPCEndpoint", "vpc-lattice:*"): "no service network",
    ("AWS::EC2::VPCEndpoint", "vpce:*"): "endpoints of their own region",
    ("AWS::Events::Archive", "kms:*"): "no customer key: events of AWS services are never encrypted with one",
    ("AWS::Events::EventBus", "kms:*"): "no customer key: events of AWS services are never encrypted with one",
    ("AWS::IAM::Policy", "iam:*GroupPolicy"): "policies of roles only",
    ("AWS::IAM::Policy", "iam:*UserPolicy"): "policies of roles only",
    ("AWS::IAM::Role", "iam:AttachRolePolicy"): "no managed policies: nobody can be given AdministratorAccess",
    ("AWS::IAM::Role", "iam:DetachRolePolicy"): "no managed policies",
    ("AWS::IAM::Role", "iam:*PermissionsBoundary"): "no boundary",
    ("AWS::Lambda::EventSourceMapping", "kms:*"): "no key for its filters",
    ("AWS::Lambda::Function", "elasticfilesystem:*"): "no file system",
    ("AWS::Lambda::Function", "kms:*"): "its environment is under aws/lambda",
    ("AWS::Lambda::Function", "lambda:*CodeSigningConfig"): "no code signing; but see READ_ALL",
    ("AWS::Lambda::Function", "lambda:*FunctionConcurrency"): "no reserved concurrency",
    ("AWS::Lambda::Function", "lambda:AssociateRuntimeAlias"): "no runtime alias",
    ("AWS::Lambda::Function", "lambda:GetLayerVersion"): "no layers",
    ("AWS::Lambda::Function", "lambda:PassCapacityProvider"): "no capacity provider",
    ("AWS::Lambda::Function", "lambda:PublishVersion"): "no versions",
    ("AWS::Lambda::Function", "lambda:PutFunctionScalingConfig"): "no scaling of a version",
    ("AWS::Lambda::Function", "lambda:PutRuntimeManagementConfig"): "runtimes update themselves",
    ("AWS::Lambda::Function", "s3files:*"): "no file system",
    ("AWS::Logs::LogGroup", "firehose:*"): "no delivery",
    ("AWS::Logs::LogGroup", "logs:*BearerTokenAuthentication"): "not used",
    ("AWS::Logs::LogGroup", "logs:*DataProtectionPolicy"): "none; but see READ_ALL",
    ("AWS::Logs::LogGroup", "logs:CreateLogDelivery"): "no delivery",
    ("AWS::Logs::LogGroup", "logs:*IndexPolicy"): "no index",
    ("AWS::Logs::LogGroup", "logs:*LogGroupDeletionProtection"): "they go with the stack",
    ("AWS::Logs::LogGroup", "logs:*tResourcePolicy"): "no policy on it",
    ("AWS::Logs::LogGroup", "logs:DeleteResourcePolicy"): "no policy on it",
    ("AWS::Logs::LogGroup", "s3:*"): "no delivery",
    ("AWS::S3::Bucket", "iam:PassRole"): "no replication by S3",
    ("AWS::S3::Bucket", "s3:*BucketAcl"): "the owner's alone: no access lists",
    ("AWS::S3::Bucket", "s3:*Cors"): "no cross-origin requests",
    ("AWS::S3::Bucket", "s3:*MetadataInventoryTableConfiguration"): "no metadata tables",
    ("AWS::S3::Bucket", "s3:*MetadataJournalTableConfiguration"): "no metadata tables",
    ("AWS::S3::Bucket", "s3:*MetadataAnnotationTableConfiguration"): "no metadata tables",
    ("AWS::S3::Bucket", "s3:[CDU]*MetadataTableConfiguration"): "no metadata tables",
    ("AWS::S3::Bucket", "s3:DeleteBucketAnalyticsConfiguration"): "no analytics",
    ("AWS::S3::Bucket", "s3:DeleteBucketEncryption"): "always encrypted",
    ("AWS::S3::Bucket", "s3:DeleteBucketLifecycle"): "always a lifecycle",
    ("AWS::S3::Bucket", "s3:DeleteBucketMetricsConfiguration"): "no request metrics",
    ("AWS::S3::Bucket", "s3:DeleteBucketReplication"): "no replication by S3",
    ("AWS::S3::Bucket", "s3:DeleteBucketWebsite"): "no website",
    ("AWS::S3::Bucket", "s3:DeleteObject"): "never: buckets are retained with what is in them",
    ("AWS::S3::Bucket", "s3:PutAccelerateConfiguration"): "no acceleration",
    ("AWS::S3::Bucket", "s3:PutAnalyticsConfiguration"): "no analytics",
    ("AWS::S3::Bucket", "s3:PutBucketAbac"): "no tag-based access",
    ("AWS::S3::Bucket", "s3:PutBucketCORS"): "no cross-origin requests",
    ("AWS::S3::Bucket", "s3:*PutBucketObjectLockConfiguration"): "no object lock",
    ("AWS::S3::Bucket", "s3:PutBucketReplication"): "no replication by S3",
    ("AWS::S3::Bucket", "s3:PutBucketWebsite"): "no website",
    ("AWS::S3::Bucket", "s3:PutIntelligentTieringConfiguration"): "no archive tiers",
    ("AWS::S3::Bucket", "s3:PutInventoryConfiguration"): "no inventory",
    ("AWS::S3::Bucket", "s3:PutMetricsConfiguration"): "no request metrics",
    ("AWS::S3::Bucket", "s3:PutObjectAcl"): "no access lists",
    ("AWS::S3::Bucket", "s3:PutObjectLockConfiguration"): "no object lock",
    ("AWS::S3::Bucket", "s3:PutReplicationConfiguration"): "no replication by S3",
    ("AWS::S3::Bucket", "s3tables:*"): "no metadata tables",
    ("AWS::SNS::Subscription", "iam:*"): "e-mail; roles are for Firehose",
    ("AWS::SNS::Topic", "iam:*"): "no delivery logs",
    ("AWS::SNS::Topic", "sns:PutDataProtectionPolicy"): "none; but see READ_ALL",
    ("AWS::SNS::Topic", "sns:Unsubscribe"): "subscriptions are resources of their own",
    ("AWS::SSM::Document", "iam:PassRole"): "passed when a document is started, not when it is made",
    ("AWS::SSM::Document", "s3:*"): "no attachments",
}
READ_ALL = {  # a read handler asks for what is not set, too
    "dynamodb:DescribeKinesisStreamingDestination",
    "lambda:GetFunctionCodeSigningConfig",
    "logs:GetDataProtectionPolicy",
    "sns:GetDataProtectionPolicy",
}
NOT_IN_THIS_PRODUCT = {  # (product, type, action): as LEFT_OUT, but the other product's stack needs it
    ("producer", "AWS::Lambda::Function", "ec2:*"): "outside of any VPC",
    ("producer", "AWS::Lambda::Function", "lambda:PutFunctionRecursionConfig"): "does not call itself",
    ("consumer", "AWS::S3::Bucket", "s3:PutBucketNotification"): "nobody is told of replicas",
}
BESIDE = {  # in the role, in no handler: why
    "cloudformation:*": "the stack itself",
    "lambda:InvokeFunction": "CloudFormation calls the custom resource's function",
    "route53:AssociateVPCWithHostedZone": "ec2:CreateVpcEndpoint with private names depends on it",
    "ssm:GetAutomationExecution": "service actions",
    "ssm:StartAutomationExecution": "service actions",
    "ssm:StopAutomationExecution": "service actions",
}
NO_HANDLERS = {"AWS::CloudFormation::CustomResource"}


def stacks(kind):
    """A product's stack in shapes that together have every resource of its template."""
    if kind == "consumer":
        return [CONSUMER.resolve(AlarmEmail="on-call@example.org")]
    existing = {
        "ExistingBucketName": "acme-exports",
        "ExistingKmsKeyArn": f"arn:aws:kms:{REGION}:{PRODUCER.account}:key/1234abcd-12ab-34cd-56ef-1234567890ab",
        "LambdaS3Bucket": "acme-artifacts",
        "LambdaS3Key": "s3-hydration/0.1.0/s3-hydration-arm64.zip",
    }
    return [PRODUCER.resolve(AlarmEmail="on-call@example.org"), PRODUCER.resolve(**existing)]


def types(kind):
    return sorted({str(resource["Type"]) for resource in PRODUCTS[kind].body["Resources"].values()})


def handlers(resource_type):
    schema = REGISTRY.get_resource_schema("us-east-1", resource_type).schema
    by_name = schema["handlers"]
    return {action for name in ("create", "read", "update", "delete") for action in permissions(by_name, name)}


def permissions(by_name, name):
    return by_name.get(name, {}).get("permissions", [])


def needs(kind):
    """Action -> types of this product that need it."""
    needed = {}
    for each in set(types(kind)) - NO_HANDLERS:
        left_out = [action for type_, action in LEFT_OUT if type_ == each]
        left_out += [action for product, type_, action in NOT_IN_THIS_PRODUCT if (product, type_) == (kind, each)]
        for action in handlers(each):
            if action in READ_ALL or not any(fnmatchcase(action, pattern) for pattern in left_out):
                needed.setdefault(action, set()).add(each)
    return needed


def identity(kind, **parameters):
    return [each for each in statements(LAUNCH[kind].resolve(**parameters)) if each.kind == "identity"]


def allowed(kind):
    return {action for each in identity(kind) for action in each.actions}


def allows(kind, action, resource, **parameters):
    """The first statement that allows it, or None; conditions are looked at by the tests that mean them."""
    return next(
        (
            each
            for each in identity(kind, **parameters)
            if action in each.actions and any(fnmatchcase(resource, pattern) for pattern in each.resources)
        ),
        None,
    )


@both
def test_every_type_of_the_template_is_known_to_the_registry(kind):
    for each in set(types(kind)) - NO_HANDLERS:
        assert permissions(REGISTRY.get_resource_schema("us-east-1", each).schema["handlers"], "create"), each


def test_every_shape_of_the_stacks_together_has_every_resource():
    for kind, product in PRODUCTS.items():
        assert set().union(*(stack.resources for stack in stacks(kind))) == set(product.body["Resources"])


@both
def test_what_the_handlers_of_its_types_need_is_allowed(kind):
    missing = {action: sorted(of) for action, of in needs(kind).items() if action not in allowed(kind)}
    assert missing == {}


@both
def test_nothing_is_allowed_that_no_type_of_the_template_needs(kind):
    beyond = {each for each in allowed(kind) - set(needs(kind)) if not any(fnmatchcase(each, name) for name in BESIDE)}
    assert beyond == set()


@both
def test_no_action_is_allowed_by_a_pattern(kind):
    assert [action for action in allowed(kind) if "*" in action or "?" in action] == []


def test_every_reason_for_leaving_something_out_is_still_one():
    known = {each: handlers(each) for kind in PRODUCTS for each in set(types(kind)) - NO_HANDLERS}
    stale = [
        (type_, pattern)
        for type_, pattern in [*LEFT_OUT, *(entry[1:] for entry in NOT_IN_THIS_PRODUCT)]
        if not any(fnmatchcase(action, pattern) for action in known.get(type_, ()))
    ]
    assert stale == []
    assert set().union(*known.values()) >= READ_ALL
    assert [
        each for each in BESIDE if not any(fnmatchcase(action, each) for k in LAUNCH for action in allowed(k))
    ] == []


ARNS = {  # type -> (the action that makes it, its ARN)
    "AWS::CloudWatch::Alarm": ("cloudwatch:PutMetricAlarm", "cloudwatch:{region}:{account}:alarm:{AlarmName}"),
    "AWS::CloudWatch::Dashboard": ("cloudwatch:PutDashboard", "cloudwatch::{account}:dashboard/{DashboardName}"),
    "AWS::Events::Archive": ("events:CreateArchive", "events:{region}:{account}:archive/{ArchiveName}"),
    "AWS::Events::EventBus": ("events:CreateEventBus", "events:{region}:{account}:event-bus/{Name}"),
    "AWS::Events::Rule": ("events:PutRule", "events:{region}:{account}:rule/{Name}"),
    "AWS::IAM::Role": ("iam:CreateRole", "iam::{account}:role/{RoleName}"),
    "AWS::KMS::Alias": ("kms:CreateAlias", "kms:{region}:{account}:{AliasName}"),
    "AWS::Lambda::Function": ("lambda:CreateFunction", "lambda:{region}:{account}:function:{FunctionName}"),
    "AWS::Logs::LogGroup": ("logs:CreateLogGroup", "logs:{region}:{account}:log-group:{LogGroupName}"),
    "AWS::S3::Bucket": ("s3:CreateBucket", "s3:::{BucketName}"),
    "AWS::SNS::Topic": ("sns:CreateTopic", "sns:{region}:{account}:{TopicName}"),
    "AWS::SQS::Queue": ("sqs:CreateQueue", "sqs:{region}:{account}:{QueueName}"),
    "AWS::SSM::Document": ("ssm:CreateDocument", "ssm:{region}:{account}:document/{Name}"),
    "AWS::Scheduler::Schedule": ("scheduler:CreateSchedule", "scheduler:{region}:{account}:schedule/default/{Name}"),
}


def named(kind):
    """(action, ARN) for each resource of the stacks that has a name of its own."""
    for stack in stacks(kind):
        for type_, (action, arn) in ARNS.items():
            for _, properties in stack.of_type(type_):
                yield action, "arn:aws:" + arn.format(region=REGION, account=PRODUCTS[kind].account, **properties)


@both
def test_what_the_template_names_is_within_what_the_role_may_make(kind):
    assert [arn for action, arn in named(kind) if not allows(kind, action, arn)] == []


@both
def test_what_is_named_otherwise_is_not(kind):
    for action, arn in named(kind):
        assert not allows(kind, action, arn.replace("s3-hydration", "payroll")), arn


@both
def test_another_beginning_of_names_moves_everything_but_the_tables(kind):
    for action, arn in named(kind):
        other = arn.replace("s3-hydration", "acme-copy")
        assert allows(kind, action, other, InstanceNamePrefix="acme-copy"), arn
        assert not allows(kind, action, arn, InstanceNamePrefix="acme-copy"), arn


@both
def test_a_bucket_of_a_name_of_ones_own_needs_the_pattern_for_it(kind):
    assert not allows(kind, "s3:CreateBucket", "arn:aws:s3:::acme-replica")
    assert allows(kind, "s3:CreateBucket", "arn:aws:s3:::acme-replica", BucketNames="acme-*")


@both
def test_the_role_cannot_change_itself_nor_the_other_launch_role(kind):
    account = PRODUCTS[kind].account
    writes = [
        action for action in allowed(kind) if action.startswith("iam:") and not re.match("iam:(Get|List)", action)
    ]
    assert "iam:PutRolePolicy" in writes
    for other in PRODUCTS:
        arn = f"arn:aws:iam::{account}:role/{LAUNCH_ROLE.format(other)}"
        assert [action for action in writes if allows(kind, action, arn)] == []


@both
def test_each_role_is_passed_to_its_service_only(kind):
    """The service that its trust policy names; the read role trusts none, so nobody can pass it."""
    account = PRODUCTS[kind].account
    for stack in stacks(kind):
        trusts = {each.where: each.principals[0] for each in statements(stack) if each.kind == "trust"}
        for name, properties in stack.of_type("AWS::IAM::Role"):
            passing = allows(kind, "iam:PassRole", f"arn:aws:iam::{account}:role/{properties['RoleName']}")
            service = passing and passing.condition("StringEquals", "iam:PassedToService")
            assert service == (trusts[name] if trusts[name].endswith(".amazonaws.com") else None), name
            assert "*" not in (passing.resources if passing else [])


@both
def test_what_has_no_name_to_go_by_is_changed_through_cloudformation_only(kind):
    reads = ("Describe", "Get", "List", "ValidateTemplate")
    for each in identity(kind):
        open_ended = any(re.search(r"(^\*|[:/]\*)$", resource) for resource in each.resources)
        changes = [action for action in each.actions if not action.split(":")[1].startswith(reads)]
        if open_ended and changes and each.body["Sid"] != "SeeHowTheyGo":
            assert each.condition("StringEquals", "aws:CalledViaFirst") == "cloudformation.amazonaws.com", each.body


@both
def test_objects_are_read_only_where_the_zip_and_the_template_are(kind):
    reading = [each for each in identity(kind) if "s3:GetObject" in each.actions]
    zip_, template = sorted(reading, key=lambda each: each.resources == ["*"])
    assert zip_.resources == ["arn:aws:s3:::acme-artifacts/*"]
    assert template.condition("StringEquals", "s3:ExistingObjectTag/servicecatalog:provisioning") == "true"


@both
def test_without_a_key_of_the_artifacts_nothing_can_be_decrypted(kind):
    key = f"arn:aws:kms:{REGION}:333333333333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    assert not allows(kind, "kms:Decrypt", key)
    assert allows(kind, "kms:Decrypt", key, ZipKmsKeyArn=key)


@both
def test_only_service_catalog_may_take_the_role_and_for_this_account_only(kind):
    (trust,) = (each for each in statements(LAUNCH[kind].resolve()) if each.kind == "trust")
    assert trust.principals == ["servicecatalog.amazonaws.com"]
    assert trust.condition("StringEqualsIfExists", "aws:SourceAccount") == PRODUCTS[kind].account


@both
def test_the_role_has_the_name_that_publishing_gives_to_the_launch_constraint(kind):
    assert LAUNCH[kind].resolve().properties("LaunchRole")["RoleName"] == LAUNCH_ROLE.format(kind)


@both
def test_the_policies_fit(kind):
    """Whitespace aside: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html"""
    longest = {"InstanceNamePrefix": "a" * 26, "BucketNames": "b" * 63, "LambdaS3Bucket": "c" * 63}
    stack = LAUNCH[kind].resolve(**longest, ZipKmsKeyArn=f"arn:aws:kms:ap-southeast-1:{'3' * 12}:key/{'d' * 36}")
    inline = [each["PolicyDocument"] for each in stack.properties("LaunchRole")["Policies"]]
    assert sum(map(size, inline)) <= 10_240
    assert [
        name for name, each in stack.of_type("AWS::IAM::ManagedPolicy") if size(each["PolicyDocument"]) > 6_144
    ] == []


def size(document):
    return len(json.dumps(document, separators=(",", ":")))


@both
def test_actions_are_in_order_in_the_template(kind):
    for each in identity(kind):
        assert all(first < second for first, second in pairwise(each.actions)), each.body.get("Sid")
