"""How long SQS can delay a message. Pure.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
"""

import math

MAX_DELAY_SECONDS = 900


def whole_seconds(delay: float) -> int:
    """Seconds as SQS takes them: rounded up, and no more than it delays."""
    return min(MAX_DELAY_SECONDS, max(0, math.ceil(delay)))
