"""What EventBridge's matcher makes of the filters on one text field, as its operators page describes them.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html. EventBridge's own matcher
(github.com/aws/event-ruler) is Java and not at hand, so two opinions are asked: this one, and moto 5.2.5's
`EventPattern`, which gets one thing wrong here: its `*` does not cross a newline.
"""

import re

# A wildcard may not hold two asterisks in a row, nor a backslash before anything but an asterisk or a backslash.
_WILDCARD = re.compile(r"(?:\*(?!\*)|\\[*\\]|[^*\\])+")


def matches(matchers, text):
    return any(_matches(matcher, text) for matcher in matchers)


def _matches(matcher, text):
    if isinstance(matcher, str):
        return matcher == text
    ((operator, operand),) = matcher.items()
    if operator == "anything-but":
        ((inner, entries),) = operand.items()
        assert entries
        return not any(_matches({inner: entry}, text) for entry in entries)
    assert operand
    match operator:
        case "prefix":
            return text.startswith(operand)
        case "suffix":
            return text.endswith(operand)
        case "wildcard":
            return re.fullmatch(_as_regex(operand), text, re.DOTALL) is not None
    raise AssertionError(operator)


def _as_regex(wildcard):
    assert _WILDCARD.fullmatch(wildcard), f"EventBridge refuses {wildcard!r}"
    pieces = re.findall(r"\\[*\\]|.", wildcard, re.DOTALL)
    return "".join(".*" if piece == "*" else re.escape(piece[-1]) for piece in pieces)
