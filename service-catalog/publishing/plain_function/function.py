"""The yardstick of `make build`: the same job's cold start, written as such functions usually are.

boto3 clients, Powertools for logs, metrics and the batch, pydantic for settings and events. It replicates nothing.
"""

import os
from typing import Any

import boto3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from pydantic import BaseModel, Field, SecretStr


class Settings(BaseModel):
    source_bucket: str
    source_role_arn: str = Field(pattern=r"^arn:[\w-]+:iam::\d{12}:role/.+$")
    source_external_id: SecretStr = Field(min_length=16)
    replica_bucket: str
    manifest_table: str
    queue_url: str


class Bucket(BaseModel):
    name: str


class Object(BaseModel):
    key: str = Field(min_length=1, max_length=1024)
    size: int | None = Field(default=None, ge=0)
    etag: str | None = None
    version_id: str | None = Field(default=None, alias="version-id")
    sequencer: str | None = None


class Detail(BaseModel):
    bucket: Bucket
    object: Object
    reason: str | None = None


class ObjectEvent(BaseModel):
    id: str
    source: str
    account: str
    detail_type: str = Field(alias="detail-type")
    detail: Detail


settings = Settings.model_validate({name: os.environ[f"HYDRATION_{name.upper()}"] for name in Settings.model_fields})
logger = Logger(service="plain")
metrics = Metrics(namespace="Plain", service="plain")
processor = BatchProcessor(event_type=EventType.SQS)
sts = boto3.client("sts")
dynamodb = boto3.client("dynamodb")
sqs = boto3.client("sqs")
s3 = boto3.client("s3")
source_s3 = boto3.client("s3", aws_access_key_id="assumed", aws_secret_access_key="assumed")  # noqa: S106 - no secret


def replicate(record: SQSRecord) -> None:
    event = ObjectEvent.model_validate_json(record.body)
    dynamodb.get_item(TableName=settings.manifest_table, Key={"key": {"S": event.detail.object.key}})


@metrics.log_metrics
@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> Any:
    return process_partial_response(event=event, record_handler=replicate, processor=processor, context=context)
