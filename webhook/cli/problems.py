"""Errors that commands tell of, with the file and line where there is one."""

import re

from webhook.manifests.files import Problem

_PLACED = re.compile(r"(?P<file>.*?):(?P<line>\d+):(?P<column>\d+): (?P<message>.*)", re.DOTALL)


def problem_in(error: str) -> Problem:
    """Return the problem that *error*, a line such as policies/a.yaml:3:1: spec: expected …, tells of."""
    match = _PLACED.fullmatch(error)
    if match:
        return Problem(match["file"], match["message"], int(match["line"]), int(match["column"]))
    file, _, message = error.partition(": ")
    return Problem(file, message)
