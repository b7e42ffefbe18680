"""Quoting what a user wrote, for messages of one line."""

LONGEST_QUOTE = 256  # characters


def quote(text: str) -> str:
    """Return *text* in double quotes, on one line: control and other unprintable characters escaped, cut when long.

    The API server drops a warning with a newline or a control character, and a log line must stay one line.
    """
    if len(text) > LONGEST_QUOTE:
        text = f"{text[:LONGEST_QUOTE]}…"
    if text.isprintable():
        return f'"{text}"'
    escaped = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return f'"{escaped}"'
