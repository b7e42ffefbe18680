"""Loading policies from files: everything that is wrong is found, and nothing that is wrong is used."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from msgspec import Struct

from webhook.checks import CHECKS
from webhook.policy import schema
from webhook.policy.document import Document, DocumentError, read_documents
from webhook.policy.policies import Policy, PolicyException, PolicySet, exception_of, policy_of, policy_set

SUFFIXES = (".yaml", ".yml", ".json")
LONGEST_FILE = 4 * 1024 * 1024  # bytes; a ConfigMap holds one MiB


class Loaded(Struct, frozen=True):
    """What files hold: the policies that are sound, and an error, with file and line, for all that is not."""

    policies: PolicySet
    errors: tuple[str, ...]


def policy_files(path: Path) -> list[Path]:
    """Return the files of *path*, a file or a folder: those that end in SUFFIXES, in subfolders too, in order.

    Hidden names are left out: a mounted ConfigMap keeps its data in `..data` and shows links to it.
    """
    if not path.is_dir():
        return [path]
    found: list[Path] = []
    seen: set[str] = set()

    def unreadable(error: OSError) -> None:
        # Read as a file, it makes an error, where leaving it out would silently lose what it holds.
        found.append(Path(error.filename))

    # Links too: of a ConfigMap's key that is mounted at a/b.yaml, a is a link to ..data/a.
    for folder, subfolders, names in os.walk(path, onerror=unreadable, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            subfolders.clear()
            continue
        seen.add(real)
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        found += [Path(folder, name) for name in names if name.endswith(SUFFIXES) and not name.startswith(".")]
    return sorted(found)


def load_policies(path: Path) -> Loaded:
    """Load every policy and exception in *path*, a file or a folder. No error is raised: they are all returned."""
    loaded = load_files(policy_files(path))
    if loaded.policies.policies or loaded.errors:
        return loaded
    return Loaded(loaded.policies, (f"{path}: no ClusterPolicy found: an empty set would let everything pass",))


def load_files(files: Iterable[Path]) -> Loaded:
    """Load every policy and exception in *files*, or none where there is none; all errors are returned."""
    errors: list[str] = []
    documents: list[Document] = []
    for file in files:
        try:
            documents.extend(read_documents(str(file), _read(file)))
        except (DocumentError, OSError, ValueError) as error:
            errors.append(_in_words(file, error))
    policies, exceptions = [], []
    for item in _parsed(documents, errors):
        if isinstance(item, Policy):
            policies.append(item)
        else:
            exceptions.append(item)
    return Loaded(policy_set(policies, exceptions), tuple(errors))


def _read(file: Path) -> bytes:
    with file.open("rb") as stream:
        text = stream.read(LONGEST_FILE + 1)
    if len(text) > LONGEST_FILE:
        msg = f"{file}: more than {LONGEST_FILE} bytes"
        raise ValueError(msg)
    return text


def _in_words(file: Path, error: Exception) -> str:
    return f"{file}: {error.strerror}" if isinstance(error, OSError) else str(error)


def _parsed(documents: list[Document], errors: list[str]) -> Iterator[Policy | PolicyException]:
    """Yield what is sound in *documents* and add what is not to *errors*; the second of one name is not sound."""
    seen: dict[tuple[str, str, str], str] = {}
    for document in documents:
        try:
            item = parse_document(document)
            key = (type(item).__name__, getattr(item.use, "namespace", ""), item.use.name)
            if key in seen:
                msg = f"there is one of that name already: {seen[key]}"
                raise document.error("metadata.name", msg)
            seen[key] = str(document.error("metadata.name", "").place)
            yield item
        except DocumentError as error:
            errors.append(str(error))


def parse_document(document: Document) -> Policy | PolicyException:
    """Return the policy or exception in *document*; raises DocumentError."""
    value = document.value
    if not isinstance(value, dict):
        raise document.error("", "expected a policy: apiVersion, kind, metadata and spec")
    if value.get("apiVersion") != schema.API_VERSION:
        raise document.error("apiVersion", f"expected {schema.API_VERSION}")
    if value.get("kind") == "ClusterPolicy":
        policy = policy_of(document.convert(schema.ClusterPolicy))
        if not policy.checks:
            raise document.error("spec.checks", f"expected at least one of {', '.join(CHECKS)}")
        return policy
    if value.get("kind") == "PolicyException":
        return exception_of(document.convert(schema.PolicyException))
    raise document.error("kind", "expected ClusterPolicy or PolicyException")
