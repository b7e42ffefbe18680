"""Quoting what a user or an image's author wrote, for messages of one line."""

LONGEST_QUOTE = 256  # characters


def quote(text: str) -> str:
    """Return *text* in double quotes, made one line."""
    return f'"{one_line(text)}"'


def one_line(text: str) -> str:
    """Return *text* on one line: control and other unprintable characters escaped, cut when long.

    The API server drops a warning with a newline or a control character, and a log line must stay one line.
    """
    if len(text) > LONGEST_QUOTE:
        text = f"{text[:LONGEST_QUOTE]}…"
    return printable(text)


def printable(text: str) -> str:
    """Return *text* with whatever is not printable escaped, as Python would write it."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
