"""The linters see what is wrong, and a suppression is for what is there."""

import json
from pathlib import Path

import pytest

from tests.lint import cfn_guard, checkov, rendered, suppressions
from tests.lint.finding import Finding, LinterFailed, Place
from tests.service_catalog.template import PRODUCER, Template

PLANTED = {
    "AWSTemplateFormatVersion": "2010-09-09",
    "Resources": {
        "OpenBucket": {"Type": "AWS::S3::Bucket", "Properties": {}},
        "Topic": {"Type": "AWS::SNS::Topic", "Properties": {"KmsMasterKeyId": "alias/some-key"}},
    },
}
PLACE = Place("CT.S3.PR.2", "producer/SourceBucket")
FINDING = Finding(PLACE, "Require logging")


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    path = tmp_path / "planted.1.json"
    path.write_text(json.dumps(PLANTED))
    return path


def test_cfn_guard_finds_a_bucket_without_logging(planted):
    places = {each.place for each in cfn_guard.findings([planted])}
    assert Place("CT.S3.PR.2", "planted/OpenBucket") in places
    assert {place.resource for place in places} == {"planted/OpenBucket"}


def test_checkov_finds_a_bucket_without_logging(planted):
    places = {each.place for each in checkov.findings([planted])}
    assert Place("CKV_AWS_18", "planted/OpenBucket") in places
    assert {place.resource for place in places} == {"planted/OpenBucket"}


@pytest.mark.parametrize("linter", [cfn_guard, checkov])
def test_a_template_that_cannot_be_read_is_not_one_without_findings(linter, planted):
    broken = planted.with_name("broken.1.json")
    broken.write_text("{")
    with pytest.raises(LinterFailed):
        linter.findings([planted, broken])


def test_a_finding_without_a_suppression_is_a_fault():
    assert suppressions.faults([FINDING], {}) == ["producer/SourceBucket: CT.S3.PR.2 Require logging"]


def test_a_suppressed_finding_is_none():
    assert suppressions.faults([FINDING], {PLACE: "a reason"}) == []


def test_a_suppression_of_another_resource_does_not_help_and_is_a_fault_itself():
    other = Place(PLACE.rule, "consumer/ReplicaBucket")
    unexpected, stale = suppressions.faults([FINDING], {other: "a reason"})
    assert unexpected.startswith("producer/SourceBucket")
    assert stale.startswith("consumer/ReplicaBucket: CT.S3.PR.2 is suppressed")


def test_a_suppression_has_a_reason():
    with pytest.raises(ValueError, match="no reason"):
        suppressions.read('[[suppression]]\nrules = ["A"]\nresources = ["b/C"]\nreason = " "')


def test_a_place_is_suppressed_once_so_that_its_reason_is_one():
    entry = '[[suppression]]\nrules = ["A"]\nresources = ["b/C"]\nreason = "why"\n'
    with pytest.raises(ValueError, match="twice"):
        suppressions.read(entry + entry)


def test_linters_are_given_what_cloudformation_would_make(tmp_path):
    document = rendered.document(PRODUCER.resolve(BucketName="acme-exports"))
    assert document["Resources"]["SourceBucket"]["Properties"]["BucketName"] == "acme-exports"
    assert "AlarmSubscription" not in document["Resources"]
    assert "Fn::" not in json.dumps(document)


def test_a_truth_value_in_a_policys_condition_is_text_and_elsewhere_itself():
    document = rendered.document(PRODUCER.resolve())
    (tls,) = [
        each["Condition"]
        for each in document["Resources"]["SourceBucketPolicy"]["Properties"]["PolicyDocument"]["Statement"]
        if each["Sid"] == "OnlyOverTls"
    ]
    assert tls == {"Bool": {"aws:SecureTransport": "false"}}
    assert document["Resources"]["SourceKey"]["Properties"]["EnableKeyRotation"] is True


def test_a_resource_that_no_variant_has_is_not_passed_over_in_silence(tmp_path, monkeypatch):
    template = tmp_path / "some.yaml"
    template.write_text(
        "Parameters: {More: {Type: String, Default: ''}}\n"
        "Conditions: {HasMore: !Not [!Equals [!Ref More, '']]}\n"
        "Resources: {Topic: {Type: AWS::SNS::Topic, Condition: HasMore}}\n"
    )
    monkeypatch.setattr(rendered, "templates", lambda: [Template(template, "111111111111", {})])
    with pytest.raises(LinterFailed, match=r"launch-some: no variant in .* has Topic"):
        rendered.write(tmp_path)
