"""A rule that did not hold."""


class Broken(AssertionError):
    """`rule` is its name."""

    def __init__(self, rule: str, sentence: str) -> None:
        super().__init__(f"{rule}: {sentence}")
        self.rule = rule
