"""Clients and clouds as the consumer's own tests have them."""

from tests.consumer.conftest import _no_credentials_of_this_machine, aws, clouds

__all__ = ["_no_credentials_of_this_machine", "aws", "clouds"]
