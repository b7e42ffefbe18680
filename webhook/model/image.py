"""Image references, by the grammar of github.com/distribution/reference v0.6.0 (reference.go, regexp.go, normalize.go).

containerd, CRI-O and the kubelet read references with that module, so that what it refuses cannot run and what it takes
for a tag is one. `tests/fixtures/references.jsonl` holds its own answers.
"""

import re
from functools import lru_cache

from msgspec import Struct

DEFAULT_REGISTRY = "docker.io"
OFFICIAL_NAMESPACE = "library"
DEFAULT_TAG = "latest"
LONGEST_REPOSITORY = 255  # RepositoryNameTotalLengthMax, measured on the path after normalisation
LONGEST_CACHED = 512  # characters; the cache of parsed references stays small whatever is sent

# Python's \w, \d and $ take more than Go's do: spelt out, and only ever matched whole.
_COMPONENT = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_DOMAIN = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?")
_REMAINDER = re.compile(
    rf"(?P<path>{_COMPONENT}(?:/{_COMPONENT})*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?"
    r"(?:@(?P<digest>[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}))?"
)
_IDENTIFIER = re.compile(r"[a-f0-9]{64}")
# opencontainers/go-digest v1.0.0, algorithm.go: what it can verify, in lower-case hexadecimal of the right length.
_HEX_LENGTH = {"sha256": 64, "sha384": 96, "sha512": 128}


class InvalidReferenceError(ValueError):
    """The text is no image reference; str() says why, in lower case and without the text itself."""


class Image(Struct, frozen=True):
    """A reference to an image.

    `name` is the repository as it was written; `registry` and `repository` are normalised as Docker Hub's short names
    need (`nginx` is docker.io and library/nginx). `tag` and `digest` are None where the reference has none.
    str() gives back what was parsed, unchanged.
    """

    name: str
    registry: str
    repository: str
    tag: str | None = None
    digest: str | None = None

    def __str__(self) -> str:
        tag = "" if self.tag is None else f":{self.tag}"
        digest = "" if self.digest is None else f"@{self.digest}"
        return f"{self.name}{tag}{digest}"

    @property
    def full_name(self) -> str:
        """The normalised name, registry and repository: docker.io/library/nginx."""
        return f"{self.registry}/{self.repository}" if self.registry else self.repository


def parse_image(reference: str) -> Image:
    """Parse *reference* as reference.ParseNormalizedNamed does; raises InvalidReferenceError where that fails."""
    if len(reference) <= LONGEST_CACHED:
        return _parse_cached(reference)
    return _parse(reference)


def _parse(reference: str) -> Image:
    if _IDENTIFIER.fullmatch(reference):
        msg = "an image's name cannot be 64 hexadecimal digits"
        raise InvalidReferenceError(msg)
    registry, remainder = split_registry(reference)
    if not _DOMAIN.fullmatch(registry):
        # Such as under_score.example/app: upstream's expression then takes all of it for a path, on no registry.
        registry, remainder = "", reference
    match = _REMAINDER.fullmatch(remainder)
    if match is None:
        raise InvalidReferenceError(_why_invalid(reference, remainder))
    path, tag, digest = match.group("path", "tag", "digest")
    if len(path) > LONGEST_REPOSITORY:
        msg = f"the repository's name has more than {LONGEST_REPOSITORY} characters"
        raise InvalidReferenceError(msg)
    if digest is not None:
        _verify_digest(digest)
    suffix = (0 if tag is None else 1 + len(tag)) + (0 if digest is None else 1 + len(digest))
    name = reference[: len(reference) - suffix]
    return Image(name=name, registry=registry, repository=path, tag=tag, digest=digest)


_parse_cached = lru_cache(maxsize=2048)(_parse)


def split_registry(reference: str) -> tuple[str, str]:
    """Return registry and remainder, as splitDockerDomain in normalize.go."""
    first, slash, rest = reference.partition("/")
    if not slash:
        return DEFAULT_REGISTRY, f"{OFFICIAL_NAMESPACE}/{reference}"
    if first == "index.docker.io":
        registry, remainder = DEFAULT_REGISTRY, rest
    elif first == "localhost" or "." in first or ":" in first or first.lower() != first:
        registry, remainder = first, rest
    else:
        registry, remainder = DEFAULT_REGISTRY, reference
    if registry == DEFAULT_REGISTRY and "/" not in remainder:
        remainder = f"{OFFICIAL_NAMESPACE}/{remainder}"
    return registry, remainder


def _verify_digest(digest: str) -> None:
    algorithm, _, encoded = digest.partition(":")
    length = _HEX_LENGTH.get(algorithm)
    if length is None:
        msg = f"the digest's algorithm must be one of {', '.join(_HEX_LENGTH)}"
        raise InvalidReferenceError(msg)
    if len(encoded) != length or encoded != encoded.lower():
        msg = f"a {algorithm} digest must have {length} lower-case hexadecimal digits"
        raise InvalidReferenceError(msg)


def _why_invalid(reference: str, remainder: str) -> str:
    if not reference:
        return "an image's name must not be empty"
    if reference != reference.strip() or any(character.isspace() for character in reference):
        return "a reference must not contain white space"
    if "://" in reference:
        return "a reference has no scheme such as https://"
    name = remainder.partition("@")[0].partition(":")[0]
    if name != name.lower():
        return "the repository's name must be in lower case"
    return "it does not have the form [registry[:port]/]repository[:tag][@digest]"
