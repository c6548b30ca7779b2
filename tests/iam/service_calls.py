"""What AWS's own services ask for on the products' behalf: no emulator's record has it, so each has its AWS page."""

from collections.abc import Iterator

from tests.iam.world import Principal, Request, World
from tests.service_catalog.template import CONSUMER_ACCOUNT, PRODUCER_ACCOUNT, REGION

FUNCTIONS = {"replicator": ("Replicator", "ObjectsQueue"), "transfer": ("Transfer", "RangesQueue")}
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html#configuration-vpc-permissions
INTERFACES = {
    "ec2:AssignPrivateIpAddresses": ["network-interface/eni-0123456789abcdef0"],
    "ec2:CreateNetworkInterface": [
        "network-interface/eni-0123456789abcdef0",
        "subnet/subnet-0123456789abcdef0",
        "security-group/sg-0123456789abcdef0",
    ],
    "ec2:DeleteNetworkInterface": ["network-interface/eni-0123456789abcdef0"],
    "ec2:DescribeNetworkInterfaces": ["*"],
    "ec2:DescribeSubnets": ["*"],
    "ec2:UnassignPrivateIpAddresses": ["network-interface/eni-0123456789abcdef0"],
}


def service_requests(world: World) -> list[Request]:
    found = [*of_functions(world), *of_events(world), *of_schedules(world), *of_actions(world), *of_watching(world)]
    found += of_access_logs(world)
    return found + (list(of_the_switch(world)) if "SwitchOn" in world.producer.stack.resources else [])


def assumed_by(service: str, account: str, role: str, source: str = "") -> Request:
    context = {"aws:SourceAccount": account} | ({"aws:SourceArn": source} if source else {})
    return Request(Principal(service, account), "sts:AssumeRole", f"arn:aws:iam::{account}:role/{role}", context)


def logs_of(role: Principal, group: str) -> Iterator[Request]:
    """https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html"""
    stream = f"{group.removesuffix('*')}log-stream:2026/11/24/[$LATEST]0123456789abcdef"
    yield Request(role, "logs:CreateLogStream", group)
    yield Request(role, "logs:PutLogEvents", stream)


def of_functions(world: World) -> Iterator[Request]:
    for name, (function, queue) in FUNCTIONS.items():
        role = world.role(name)
        yield assumed_by("lambda.amazonaws.com", CONSUMER_ACCOUNT, role.name)
        # https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html#events-sqs-permissions
        for action in ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"):
            yield Request(role, action, world.consumer.arn(queue))
        yield from logs_of(role, world.consumer.arn(f"{function}Logs"))
        for action, resources in INTERFACES.items():
            for resource in resources:
                arn = resource if resource == "*" else f"arn:aws:ec2:{REGION}:{CONSUMER_ACCOUNT}:{resource}"
                yield Request(role, action, arn)
        if world.consumer.stack.condition("HasTracing"):
            # https://docs.aws.amazon.com/lambda/latest/dg/services-xray.html#services-xray-permissions
            yield Request(role, "xray:PutTraceSegments", "*")
            yield Request(role, "xray:PutTelemetryRecords", "*")


def of_events(world: World) -> Iterator[Request]:
    """https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html, eb-rule-dlq.html"""
    rules = {each: each.arn("ObjectEvents") for each in (world.producer, world.consumer)}
    forwarder, bus = world.role("forwarder"), world.consumer.arn("ObjectBus")
    yield assumed_by("events.amazonaws.com", PRODUCER_ACCOUNT, forwarder.name, rules[world.producer])
    yield Request(forwarder, "events:PutEvents", bus, {"events:source": ["aws.s3"]})
    for account, rule in rules.items():
        queues = ["UndeliveredEvents"] + (["ObjectsQueue"] if account is world.consumer else [])
        for queue in queues:
            service = Principal("events.amazonaws.com", account.id)
            yield Request(service, "sqs:SendMessage", account.arn(queue), {"aws:SourceArn": rule})


def of_schedules(world: World) -> Iterator[Request]:
    """https://docs.aws.amazon.com/scheduler/latest/UserGuide/setting-up.html#setting-up-execution-role"""
    role = world.role("schedule")
    group = f"arn:aws:scheduler:{REGION}:{CONSUMER_ACCOUNT}:schedule-group/default"
    yield assumed_by("scheduler.amazonaws.com", CONSUMER_ACCOUNT, role.name, group)
    yield Request(role, "lambda:InvokeFunction", world.consumer.arn("Transfer"))


def of_actions(world: World) -> Iterator[Request]:
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-configure-dead-letter-queue-redrive.html"""
    role = world.role("actions")
    execution = f"arn:aws:ssm:{REGION}:{CONSUMER_ACCOUNT}:automation-execution/01234567-89ab-cdef-0123-456789abcdef"
    yield assumed_by("ssm.amazonaws.com", CONSUMER_ACCOUNT, role.name, execution)
    yield Request(role, "lambda:InvokeFunction", world.consumer.arn("Transfer"))
    for letters, queue in (("DeadLetterQueue", "ObjectsQueue"), ("RangesDeadLetterQueue", "RangesQueue")):
        for action in ("StartMessageMoveTask", "ReceiveMessage", "DeleteMessage", "GetQueueAttributes"):
            yield Request(role, f"sqs:{action}", world.consumer.arn(letters))
        yield Request(role, "sqs:SendMessage", world.consumer.arn(queue))


def of_watching(world: World) -> Iterator[Request]:
    """Alarms publish under the topic's key, and log groups are encrypted with it.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Notify_Users_Alarm_Changes.html
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
    """
    for account in (world.producer, world.consumer):
        alarm = f"arn:aws:cloudwatch:{REGION}:{account.id}:alarm:s3-hydration-undelivered-events"
        alarms = Request(Principal("cloudwatch.amazonaws.com", account.id), "", "", {"aws:SourceAccount": account.id})
        topic, key = account.arn("AlarmTopic"), account.arn("WatchingKey")
        yield alarms.but(action="sns:Publish", resource=topic, context={**alarms.context, "aws:SourceArn": alarm})
        for action in ("kms:Decrypt", "kms:GenerateDataKey"):
            yield alarms.but(action=action, resource=key)
        logs = Principal(f"logs.{REGION}.amazonaws.com", account.id)
        for _, properties in account.stack.of_type("AWS::Logs::LogGroup"):
            group = f"arn:aws:logs:{REGION}:{account.id}:log-group:{properties['LogGroupName']}"
            for action in ("Encrypt", "Decrypt", "ReEncryptFrom", "ReEncryptTo", "GenerateDataKey", "DescribeKey"):
                yield Request(logs, f"kms:{action}", key, {"kms:EncryptionContext:aws:logs:arn": group})


def of_access_logs(world: World) -> Iterator[Request]:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/enable-server-access-logging.html"""
    for account, (bucket, _) in ((world.producer, world.source), (world.consumer, world.replica)):
        if "AccessLogsBucket" in account.stack.resources:
            prefix = "source" if account is world.producer else "replica"
            log = f"{account.arn('AccessLogsBucket')}/s3-hydration-{prefix}/2026-11-24-08-00-00-0123456789ABCDEF"
            context = {"aws:SourceArn": bucket, "aws:SourceAccount": account.id}
            yield Request(Principal("logging.s3.amazonaws.com", account.id), "s3:PutObject", log, context)


def of_the_switch(world: World) -> Iterator[Request]:
    """The custom resource's function; its answer goes to a pre-signed URL, which needs no permission."""
    role = world.role("switch-on")
    yield assumed_by("lambda.amazonaws.com", PRODUCER_ACCOUNT, role.name)
    yield from logs_of(role, world.producer.arn("SwitchOnLogs"))
    for action in ("s3:GetBucketNotification", "s3:PutBucketNotification"):
        yield Request(role, action, world.source[0])
