"""The lean data plane: the few calls that are made for every object, without botocore's cost per call.

`LeanS3` and `LeanDynamoDB` each wrap a botocore client and answer for it: the hot operations go over a small HTTP/1.1
client of our own, everything else is the wrapped client's. What the two must not differ in (URLs, credentials, trust,
error classes, retry policy, the service's model) is taken from the wrapped client and never written again.
"""
