"""Files of manifests, judged one by one: one that cannot be read does not keep the others from being judged."""

from collections.abc import Callable, Iterable
from pathlib import Path, PurePath
from typing import BinaryIO

from msgspec import Struct

from webhook.manifests.judge import ManifestVerdict
from webhook.manifests.read import Manifest, read_bounded, read_manifests
from webhook.manifests.review import is_workload
from webhook.model.review import WORKLOADS
from webhook.policy.document import DocumentError
from webhook.policy.load import policy_files

STDIN = "-"
_KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")
_KNOWN = {kind.lower(): (f"{group}/v1".removeprefix("/"), kind) for group, kind in WORKLOADS}


class Problem(Struct, frozen=True, omit_defaults=True):
    """Something that could not be judged: where and why; line and column count from 1, and are 0 where unknown."""

    file: str
    message: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{place}: {self.message}"


class Outcome(Struct, frozen=True):
    """What became of all files: verdicts in the order of reading, and what was not judged.

    `others` are the kinds of the objects that were passed over, since they hold no pods: one for each object.
    """

    verdicts: tuple[ManifestVerdict, ...]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]
    files: int
    others: tuple[str, ...]


class Files:
    """Reads and judges files, and keeps count."""

    def __init__(self, judge: Callable[[Manifest], ManifestVerdict], stdin: BinaryIO) -> None:
        """Judge each workload by *judge*; *stdin* is what `-` stands for."""
        self._judge = judge
        self._stdin = stdin
        self._verdicts: list[ManifestVerdict] = []
        self._problems: list[Problem] = []
        self._notes: list[str] = []
        self._files = 0
        self._others: list[str] = []

    def read(self, name: str) -> None:
        """Read and judge the file *name*, or standard input."""
        self._files += 1
        file = "stdin" if name == STDIN else name
        try:
            text = self._text(name)
        except OSError as error:
            self._problems.append(Problem(file, error.strerror or str(error)))
            return
        except ValueError as error:
            self._problems.append(Problem(file, str(error)))
            return
        for item in read_manifests(file, text):
            try:
                self._take(item)
            except DocumentError as error:
                self._problems.append(problem_of(error))

    def outcome(self) -> Outcome:
        """Return what became of all that was read."""
        return Outcome(
            verdicts=tuple(self._verdicts),
            problems=tuple(self._problems),
            notes=tuple(self._notes),
            files=self._files,
            others=tuple(self._others),
        )

    def _text(self, name: str) -> bytes:
        if name == STDIN:
            return read_bounded(self._stdin)
        with Path(name).open("rb") as stream:
            return read_bounded(stream)

    def _take(self, item: Manifest | DocumentError) -> None:
        if isinstance(item, DocumentError):
            if PurePath(item.place.file).name not in _KUSTOMIZATIONS:
                raise item
            self._note_kustomization(item.place.file)
        elif is_workload(item):
            self._verdicts.append(self._judge(item))
        elif item.kind == "Kustomization" and item.group.startswith("kustomize.config."):
            self._note_kustomization(item.file)
        else:
            _refuse_misspelt(item)
            self._others.append(item.kind)

    def _note_kustomization(self, file: str) -> None:
        folder = PurePath(file).parent
        self._notes.append(f"{file}: left out, render it first: kustomize build {folder} | podgate check -")


def _refuse_misspelt(manifest: Manifest) -> None:
    """Raise DocumentError for a workload by another name: passed over, it would be taken for judged.

    Groups of custom resources have a dot, and kinds of their own, Volcano's Job, say. In extensions some workloads were
    until Kubernetes 1.16.
    """
    if "." in manifest.group or manifest.kind.lower() not in _KNOWN:
        return
    api_version, kind = _KNOWN[manifest.kind.lower()]
    if manifest.kind != kind:
        raise manifest.error("kind", f"expected {kind}, of {api_version}")
    raise manifest.error("apiVersion", f"no API server serves {kind} there: use {api_version}")


def problem_of(error: DocumentError) -> Problem:
    """Return *error* as a problem."""
    place = error.place
    return Problem(place.file, str(error).removeprefix(f"{place}: "), place.line, place.column)


def manifest_files(names: Iterable[str]) -> list[str]:
    """Return the files that *names* stand for, each once: a folder for what it holds, `-` for standard input."""
    found: dict[str, None] = {}
    for name in names:
        files = [STDIN] if name == STDIN else map(str, policy_files(Path(name)))
        found.update(dict.fromkeys(files))
    return list(found)
