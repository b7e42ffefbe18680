"""Write the reference documentation from the code, into this folder: `make docs`.

With --check nothing is written: the exit code is 1 where a file differs from what the code says, and each is named.
"""

import argparse
import inspect
import json
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

import click
import msgspec

from webhook.checks import CHECKS
from webhook.checks.check import CheckType
from webhook.cli import main as podgate
from webhook.denials.record import Record, Verdict
from webhook.model.decision import Decision, Finding, Mode, Violation
from webhook.policy import schema
from webhook.policy.document import DocumentError, read_documents
from webhook.policy.load import parse_document
from webhook.server.metrics import Metrics

HERE = Path(__file__).parent
TEMPLATES = HERE / "templates"
JSON_SCHEMA = "https://json-schema.org/draft/2020-12/schema"
KINDS = {"ClusterPolicy": schema.ClusterPolicy, "PolicyException": schema.PolicyException}
GENERATED = "<!-- Written by docs/generate.py from the code. Change the code, then: make docs -->\n\n"
WIDTH = 100  # of a terminal, in characters
MISSPELT = b"""\
apiVersion: podgate.io/v1
kind: ClusterPolicy
metadata:
  name: pinned
spec:
  checks:
    image-pinned:
      level: versoin
"""

Node = dict[str, Any]
Definitions = dict[str, Node]


def pages(folder: Path) -> dict[Path, str]:
    """Return every generated file, as it is to be in *folder*, and its text."""
    return {
        folder / "checks.md": checks_page(),
        folder / "cli.md": cli_page(),
        folder / "denial-log.schema.json": denial_log_schema(),
        folder / "metrics.md": metrics_page(),
        folder / "policies.md": policies_page(),
        folder / "policy.schema.json": policy_schema(),
    }


def main(arguments: Sequence[str]) -> int:
    """Write or check the files; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing: name the files that differ from the code")
    parser.add_argument("--folder", type=Path, default=HERE, help="where the files are (default: where this is)")
    options = parser.parse_args(arguments)
    drifted = {file: text for file, text in pages(options.folder).items() if _read(file) != text}
    if options.check:
        for file in drifted:
            sys.stderr.write(f"{file}: differs from the code, run make docs\n")
        return 1 if drifted else 0
    for file, text in drifted.items():
        file.write_text(text, encoding="utf-8")
    return 0


def _read(file: Path) -> str | None:
    return file.read_text(encoding="utf-8") if file.exists() else None


# The checks


def checks_page() -> str:
    """Return the manual pages of all checks."""
    index = [f"- [{check.id}](#{check.id}): {_title(check)}" for check in CHECKS.values()]
    intro = (
        "A policy names the checks it runs by their ids, each with its options: [policies.md](policies.md).\n"
        "Every check takes `mode` beside the options listed here."
    )
    return "\n\n".join([f"{GENERATED}# Checks", intro, "\n".join(index), *map(_manual, CHECKS.values())]) + "\n"


def _title(check: CheckType) -> str:
    return check.manual.partition("\n")[0]


def _manual(check: CheckType) -> str:
    """Return the docstring of *check* one level down, its options as a table before the advice on fixing."""
    text = check.manual.strip().replace("\n## ", "\n### ")
    (root,), definitions = _components([check.options])
    options = definitions.pop(root)
    if options["properties"]:
        links = {name: f"{check.id}-{name.lower()}" for name in definitions}
        rows = [
            (f"`{name}`", _type(node, links), _default(name, options)) for name, node in options["properties"].items()
        ]
        tables = [_table(("Option", "Type", "Default"), rows), *_parts(check, definitions, links)]
        rest, heading, fix = text.partition("### How to fix")
        text = f"{rest}{(chr(10) * 2).join(tables)}\n\n{heading}{fix}"
    return f"## {check.id}\n\n{text}"


def _parts(check: CheckType, definitions: Definitions, links: dict[str, str]) -> Iterator[str]:
    """Yield a section for each Struct that the options of *check* are made of."""
    for name, node in definitions.items():
        rows = [
            (f"`{field}`", _type(child, links), _default(field, node), _meaning(child, definitions))
            for field, child in node["properties"].items()
        ]
        table = _table(("Field", "Type", "Default", "Meaning"), rows)
        yield f"#### {check.id}: {name.lower()}\n\n{node['description']}\n\n{table}"


# The policy format


def policies_page() -> str:
    """Return the template with the reference of every kind, and a real error, filled in."""
    text = (TEMPLATES / "policies.md.in").read_text(encoding="utf-8")
    reference = "\n\n".join(section for kind in KINDS for section in _reference(kind))
    misspelt = MISSPELT.decode().rstrip()
    for mark, value in {"@MISSPELT@": misspelt, "@ERROR@": _error(MISSPELT), "@REFERENCE@": reference}.items():
        text = text.replace(mark, value)
    return GENERATED + text


def _error(policy: bytes) -> str:
    """Return what loading *policy* says is wrong with it."""
    (document,) = read_documents("policies/pinned.yaml", policy)
    try:
        parse_document(document)
    except DocumentError as error:
        return str(error)
    msg = "the policy that shows an error is sound"
    raise AssertionError(msg)


def _reference(kind: str) -> Iterator[str]:
    """Yield a section for each Struct that a document of *kind* is made of."""
    _, definitions = _components([KINDS[kind]])
    headings = {
        name: f"{kind}: {', '.join(f'`{path}`' for path in paths)}" if paths != [""] else kind
        for name, paths in _paths(kind, definitions).items()
    }
    links = {name: _anchor(heading) for name, heading in headings.items()}
    for name, heading in headings.items():
        node = definitions[name]
        manual = f"\n\nIts manual page: [checks.md](checks.md#{name})." if name in CHECKS else ""
        rows = [
            (f"`{field}`", _type(child, links), _default(field, node), _meaning(child, definitions))
            for field, child in node["properties"].items()
        ]
        table = _table(("Field", "Type", "Default", "Meaning"), rows)
        yield f"### {heading}\n\n{node['description']}{manual}\n\n{table}"


def _paths(kind: str, definitions: Definitions) -> dict[str, list[str]]:
    """Return for each definition the paths at which it stands in a document, in the order of the fields."""
    found: dict[str, list[str]] = {}

    def walk(name: str, path: str) -> None:
        found.setdefault(name, []).append(path)
        for field, node in definitions[name]["properties"].items():
            below = f"{path}.{field}".removeprefix(".")
            if "$ref" in node:
                walk(_referred(node), below)
            elif "$ref" in node.get("items", {}):
                walk(_referred(node["items"]), f"{below}[]")

    walk(kind, "")
    return found


def policy_schema() -> str:
    """Return the JSON Schema of a policy or an exception.

    The kind decides which of the two is applied, so that an editor shows what is wrong with that one; under oneOf it
    would say that neither fits.
    """
    _, definitions = _components(KINDS.values())
    definitions["Checks"]["minProperties"] = 1  # as webhook/policy/load.py asks
    return _json(
        {
            "$schema": JSON_SCHEMA,
            "title": f"A policy of {schema.API_VERSION}",
            "type": "object",
            "required": ["apiVersion", "kind"],
            "properties": {
                "apiVersion": {"enum": [schema.API_VERSION]},
                "kind": {"description": "What the document is.", "enum": list(KINDS)},
            },
            "allOf": [
                {
                    "if": {"required": ["kind"], "properties": {"kind": {"const": kind}}},
                    "then": {"$ref": f"#/$defs/{kind}"},
                }
                for kind in KINDS
            ],
            "$defs": definitions,
        }
    )


# The denial log, the metrics, the command line


def denial_log_schema() -> str:
    """Return the JSON Schema of a line of the denial log."""
    (name,), definitions = _components([Record])
    title = {"title": "A line of podgate's denial log"}
    return _json({"$schema": JSON_SCHEMA, **title, "$ref": f"#/$defs/{name}", "$defs": definitions})


def metrics_page() -> str:
    """Return the table of metrics, from a registry in which each has been counted once."""
    metrics = Metrics()
    violation = Violation("policy", "check", Mode.ENFORCE, Finding("path", "message", "fix"))
    metrics.count_review("denied", "CREATE", "Pod", Decision((violation,)))
    rows = []
    for family in metrics.registry.collect():
        samples = [sample for sample in family.samples if not sample.name.endswith("_created")]
        name = f"{family.name}_*" if family.type == "histogram" else samples[0].name
        labels = dict.fromkeys(f"`{label}`" for sample in samples for label in sample.labels)
        rows.append((f"`{name}`", family.type, ", ".join(labels), family.documentation))
    verdicts = ", ".join(f"`{verdict}`" for verdict in get_args(get_args(Verdict)[0]))
    text = (TEMPLATES / "metrics.md.in").read_text(encoding="utf-8").replace("@VERDICTS@", verdicts)
    return GENERATED + text.replace("@TABLE@", _table(("Metric", "Type", "Labels", "Meaning"), rows))


def cli_page() -> str:
    """Return the help of podgate and of each of its commands."""
    texts = [f"{GENERATED}# Command line", *_helps("podgate", podgate, None)]
    return "\n\n".join(texts) + "\n"


def _helps(name: str, command: click.Command, parent: click.Context | None) -> Iterator[str]:
    """Yield the help of *command*, and of each of its commands."""
    context = _context(name.rpartition(" ")[2], command, parent)
    yield _help(name, command, context)
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            child = command.get_command(context, below)
            if child is not None:
                yield from _helps(f"{name} {below}", child, context)


def _context(name: str, command: click.Command, parent: click.Context | None) -> click.Context:
    return command.make_context(name, [], parent, resilient_parsing=True, terminal_width=WIDTH)


def _help(name: str, command: click.Command, context: click.Context) -> str:
    return f"## {name}\n\n```text\n{command.get_help(context).rstrip()}\n```"


# JSON Schema, and Markdown from it


def _components(types: Iterable[Any]) -> tuple[list[str], Definitions]:
    """Return the names of *types* and the definitions that they and all they are made of have in JSON Schema."""
    schemas, definitions = msgspec.json.schema_components(types, ref_template="#/$defs/{name}")
    for definition in definitions.values():
        if "description" in definition:
            definition["description"] = inspect.cleandoc(definition["description"])
    return [_referred(node) for node in schemas], definitions


def _referred(node: Node) -> str:
    reference: str = node["$ref"]
    return reference.removeprefix("#/$defs/")


def _type(node: Node, links: dict[str, str]) -> str:
    """Return the type of *node* in words; *links* has the anchors of other sections."""
    if "$ref" in node:
        return f"[mapping](#{links[_referred(node)]})"
    if "enum" in node:
        return " or ".join(filter(None, [", ".join(f"`{c}`" for c in node["enum"][:-1]), f"`{node['enum'][-1]}`"]))
    if node["type"] == "array":
        return f"{'non-empty ' if node.get('minItems') else ''}list of {_type(node['items'], links)}"
    if node["type"] == "object":
        return f"mapping of text to {_type(node['additionalProperties'], links)}"
    if node.get("format") == "date-time":
        return "time"
    words = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}[node["type"]]
    length = f", at most {node['maxLength']} characters" if "maxLength" in node else ""
    # The look-ahead is against a last newline, which Python's $ would take: it says nothing to a reader.
    pattern = node.get("pattern", "").removesuffix(r"(?!\n)")
    return f"{words}{length}, `{pattern}`" if pattern else f"{words}{length}"


def _default(name: str, parent: Node) -> str:
    node = parent["properties"][name]
    if name in parent["required"]:
        return "required"
    if "default" not in node:
        return "none"
    default = node["default"]
    return f"`{default if isinstance(default, str) else json.dumps(default)}`"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def _meaning(node: Node, definitions: Definitions) -> str:
    """Return the description of *node*, on one line, or that of what it refers to."""
    described = node if "description" in node or "$ref" not in node else definitions[_referred(node)]
    return " ".join(described.get("description", "").split())


def _anchor(heading: str) -> str:
    """Return what GitHub makes of *heading* in a link."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
