"""Text of others as a terminal may show it. Pure."""


def shown(text: str) -> str:
    """The text in one line, with what a terminal would obey spelt out: controls, line ends, bidirectional overrides.

    Letters of any language stay as they are.
    """
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)
