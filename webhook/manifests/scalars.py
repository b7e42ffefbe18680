"""Plain scalars of YAML as Kubernetes' own tools read them (sigs.k8s.io/yaml v1.6, goyaml.v2/resolve.go).

That is YAML 1.1 (`yes`, `on` and `y` are true, `0644` is octal) without numbers to the base of 60, so that `22:22` is
text; dates are text. `tests/fixtures/manifests.jsonl` holds its own answers.
"""

import math
import re

from webhook.policy.document import MERGE

Scalar = str | int | float | bool | None

STR = "tag:yaml.org,2002:str"
INT = "tag:yaml.org,2002:int"
FLOAT = "tag:yaml.org,2002:float"
BOOL = "tag:yaml.org,2002:bool"
NULL = "tag:yaml.org,2002:null"

_WORDS: dict[str, tuple[str, Scalar]] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), (BOOL, True)),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), (BOOL, False)),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), (NULL, None)),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), (FLOAT, math.nan)),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), (FLOAT, math.inf)),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), (FLOAT, -math.inf)),
    "<<": (MERGE, "<<"),
}
_TEXT_STARTS = frozenset("yYnNtTfFoO~<")  # of words alone: what is no word is text
_DATE = re.compile(r"[0-9]{4}-")
# strconv.ParseInt and ParseUint with base 0; underscores have been taken out before.
_INTEGER = re.compile(r"[-+]?(?:0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|0|[1-9][0-9]*)")
_NUMBER = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_LEAST, _MOST = -(2**63), 2**64 - 1


def resolve(text: str) -> tuple[str, Scalar]:
    """Return tag and value of the plain scalar *text*."""
    word = _WORDS.get(text)
    if word is not None:
        return word
    first = text[0]
    if first in "+-0123456789":
        return _number(text)
    if first == "." and _NUMBER.fullmatch(text) and math.isfinite(float(text)):
        return FLOAT, float(text)
    return STR, text


def _number(text: str) -> tuple[str, Scalar]:
    # Of all that begins as a date does, no date is a number: 2026-11-24, but also 2026-.
    if _DATE.match(text):
        return STR, text
    plain = text.replace("_", "")
    if _INTEGER.fullmatch(plain):
        value = _integer(plain)
        if _LEAST <= value <= _MOST:
            return INT, value
    if _NUMBER.fullmatch(plain) and math.isfinite(float(plain)):
        return FLOAT, float(plain)
    return STR, text


def _integer(plain: str) -> int:
    sign, digits = (-1 if plain[0] == "-" else 1), plain.lstrip("+-").lower()
    if digits.startswith(("0x", "0b", "0o")):
        return sign * int(digits, 0)
    return sign * int(digits, 8 if digits.startswith("0") else 10)
