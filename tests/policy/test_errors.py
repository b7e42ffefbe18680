"""What a wrong policy is refused with: file, line, column, path and what was expected there."""

from typing import Any

import pytest

from webhook.checks import CHECKS
from webhook.policy.document import DocumentError, read_documents
from webhook.policy.load import parse_document

KNOWN = ", ".join(CHECKS)

POLICY = """\
apiVersion: podgate.io/v1
kind: ClusterPolicy
metadata:
  name: supply-chain
spec:
  checks:
    image-pinned: {level: version}
"""
EXCEPTION = """\
apiVersion: podgate.io/v1
kind: PolicyException
metadata:
  name: legacy
  namespace: shop
spec:
  checks: [image-pinned]
  until: 2027-01-31T00:00:00Z
  reason: waiting for the vendor
  owner: team-shop
"""
KINDS = "Pod, Deployment, ReplicaSet, StatefulSet, DaemonSet, Job, CronJob, ReplicationController, PodTemplate"
NAME = "expected a DNS name: lower-case letters, digits, '-' and '.', a letter or digit at each end of every part"


def parse(text: str) -> Any:
    (document,) = read_documents("a.yaml", text.encode())
    return parse_document(document)


def error_of(text: str, old: str, new: str) -> str:
    assert text.count(old) == 1
    with pytest.raises(DocumentError) as caught:
        parse(text.replace(old, new))
    return str(caught.value)


def test_the_examples_are_right() -> None:
    assert parse(POLICY).use.name == "supply-chain"
    assert parse(EXCEPTION).use.name == "legacy"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        pytest.param(POLICY, "[]", "1:1: expected a policy: apiVersion, kind, metadata and spec", id="a list"),
        pytest.param(POLICY, "5", "1:1: expected a policy: apiVersion, kind, metadata and spec", id="a number"),
        pytest.param("podgate.io/v1", "podgate.io/v2", "1:13: apiVersion: expected podgate.io/v1", id="version"),
        pytest.param("apiVersion: podgate.io/v1\n", "", "1:1: apiVersion: expected podgate.io/v1", id="no version"),
        pytest.param(
            "ClusterPolicy", "Policy", "2:7: kind: expected ClusterPolicy or PolicyException", id="unknown kind"
        ),
        pytest.param("kind: ClusterPolicy\n", "", "1:1: kind: expected ClusterPolicy or PolicyException", id="no kind"),
        pytest.param(
            "\nspec:",
            "\nspce:",
            "6:3: spce: unknown field, expected one of apiVersion, kind, metadata, spec; did you mean spec?",
            id="unknown field at the top",
        ),
        pytest.param("spec:\n", "spec:\nstatus:\n", "5:6: spec: expected a mapping, got nothing", id="empty spec"),
        pytest.param("name: supply-chain", "name:", "4:8: metadata.name: expected text, got nothing", id="no name"),
        pytest.param("supply-chain", "Supply", f"4:9: metadata.name: {NAME}", id="name in upper case"),
        pytest.param("supply-chain", '"a\\n"', f"4:9: metadata.name: {NAME}", id="name with a line break"),
        pytest.param("supply-chain", "-a", f"4:9: metadata.name: {NAME}", id="name with a hyphen first"),
        pytest.param("supply-chain", "a..b", f"4:9: metadata.name: {NAME}", id="name with an empty part"),
        pytest.param("supply-chain", "a-", f"4:9: metadata.name: {NAME}", id="name with a hyphen last"),
        pytest.param("supply-chain", "''", "4:9: metadata.name: expected text of length >= 1", id="empty name"),
        pytest.param(
            "supply-chain", "a" * 254, "4:9: metadata.name: expected text of length <= 253", id="name too long"
        ),
        pytest.param(
            "  name: supply-chain",
            "  labels: {a: b}",
            "4:3: metadata: name is missing",
            id="name missing",
        ),
        pytest.param(
            "name: supply-chain",
            "name: a\n  labels: {a: 1}",
            "5:11: metadata.labels[...]: expected text, got a whole number",
            id="label that is no text",
        ),
        pytest.param(
            "name: supply-chain",
            "name: a\n  '': 1",
            "4:3: metadata.: unknown field, expected one of name, labels, annotations",
            id="empty field",
        ),
        pytest.param(
            "name: supply-chain",
            'name: a\n  "b`$.c\\n": 1',
            "4:3: metadata.b`$.c\n: unknown field, expected one of name, labels, annotations",
            id="field of strange characters",
        ),
        pytest.param(
            "image-pinned: {level: version}",
            "{}",
            f"7:5: spec.checks: expected at least one of {KNOWN}",
            id="no checks",
        ),
        pytest.param(
            "  checks:\n    image-pinned: {level: version}",
            "  mode: warn",
            "6:3: spec: checks is missing",
            id="checks missing",
        ),
        pytest.param(
            "{level: version}",
            "",
            "7:18: spec.checks.image-pinned: expected a mapping, got nothing: write image-pinned: {}",
            id="check without options",
        ),
        pytest.param(
            "image-pinned:",
            "image-pined:",
            f"7:18: spec.checks.image-pined: unknown field, expected one of {KNOWN}; did you mean image-pinned?",
            id="unknown check",
        ),
        pytest.param(
            "level: version",
            "levle: version",
            "7:27: spec.checks.image-pinned.levle: unknown field, expected one of level, mode; did you mean level?",
            id="unknown option",
        ),
        pytest.param(
            "level: version",
            "level: versoin",
            "7:27: spec.checks.image-pinned.level: expected one of tag, version, digest, got versoin; "
            "did you mean version?",
            id="unknown level",
        ),
        pytest.param(
            "level: version",
            "mode: deny",
            "7:26: spec.checks.image-pinned.mode: expected one of enforce, warn, audit, got deny",
            id="unknown mode of a check",
        ),
        pytest.param(
            "level: version",
            "mode: null",
            "7:26: spec.checks.image-pinned.mode: expected text, got nothing",
            id="mode null",
        ),
        pytest.param(
            "spec:",
            "spec:\n  mode: enforced",
            "6:9: spec.mode: expected one of enforce, warn, audit, got enforced; did you mean enforce?",
            id="unknown mode",
        ),
        pytest.param(
            "spec:", "spec:\n  mode: on", "6:9: spec.mode: expected text, got true or false", id="mode that is no text"
        ),
        pytest.param(
            "spec:",
            "spec:\n  controllers: deny",
            "6:16: spec.controllers: expected one of enforce, warn, audit, got deny",
            id="unknown mode of controllers",
        ),
        pytest.param(
            "spec:", "spec:\n  contact: ''", "6:12: spec.contact: expected text of length >= 1", id="empty contact"
        ),
        pytest.param(
            "spec:",
            f"spec:\n  contact: {'a' * 1025}",
            "6:12: spec.contact: expected text of length <= 1024",
            id="contact too long",
        ),
        pytest.param(
            "spec:",
            "spec:\n  match:\n    kinds: [Pod, Deploymnt]",
            f"7:18: spec.match.kinds[1]: expected one of {KINDS}, got Deploymnt; did you mean Deployment?",
            id="unknown kind to match",
        ),
        pytest.param(
            "spec:",
            "spec:\n  match: {kinds: Pod}",
            "6:18: spec.match.kinds: expected a list, got text",
            id="text for a list",
        ),
        pytest.param(
            "spec:",
            "spec:\n  match: {operations: [DELETE]}",
            "6:24: spec.match.operations[0]: expected one of CREATE, UPDATE, got DELETE",
            id="operation that is never refused",
        ),
        pytest.param(
            "spec:",
            "spec:\n  match: {namespaces: {include: []}}",
            "6:33: spec.match.namespaces.include: expected a list of length >= 1",
            id="nothing included",
        ),
        pytest.param(
            "spec:",
            "spec:\n  match: {users: {exclude: ['']}}",
            "6:29: spec.match.users.exclude[0]: expected text of length >= 1",
            id="empty pattern",
        ),
        pytest.param(
            "spec:",
            "spec:\n  match: {namespace: {}}",
            "6:22: spec.match.namespace: unknown field, expected one of namespaces, kinds, users, groups, operations, "
            "objectSelector; did you mean namespaces?",
            id="unknown field of match",
        ),
        pytest.param(
            "spec:",
            "spec:\n  match: {objectSelector: {matchLabels: {a.b/c: 1}}}",
            "6:41: spec.match.objectSelector.matchLabels[...]: expected text, got a whole number",
            id="label value that is no text",
        ),
        pytest.param(
            "spec:",
            "spec:\n  match: {objectSelector: {matchExpressions: [{key: a, operator: in}]}}",
            "6:66: spec.match.objectSelector.matchExpressions[0].operator: "
            "expected one of In, NotIn, Exists, DoesNotExist, got in",
            id="unknown operator",
        ),
        pytest.param(
            "spec:",
            "spec:\n  match: {objectSelector: {matchExpressions: [{key: a, operator: In}]}}",
            "6:47: spec.match.objectSelector.matchExpressions[0]: expected values with the operator In",
            id="operator without values",
        ),
        pytest.param(
            "spec:",
            "spec:\n  match: {objectSelector: {matchExpressions: [{key: a, operator: NotIn, values: []}]}}",
            "6:47: spec.match.objectSelector.matchExpressions[0]: expected values with the operator NotIn",
            id="operator with a list of no values",
        ),
        pytest.param(
            "spec:",
            "spec:\n  match: {objectSelector: {matchExpressions: [{key: a, operator: Exists, values: [b]}]}}",
            "6:47: spec.match.objectSelector.matchExpressions[0]: expected no values with the operator Exists",
            id="operator that takes no values",
        ),
        pytest.param(
            "spec:",
            "spec:\n  match: {objectSelector: {matchExpressions: [{key: a, operator: DoesNotExist, values: [b]}]}}",
            "6:47: spec.match.objectSelector.matchExpressions[0]: expected no values with the operator DoesNotExist",
            id="other operator that takes no values",
        ),
    ],
)
def test_a_wrong_policy_is_refused(old: str, new: str, message: str) -> None:
    assert error_of(POLICY, old, new) == f"a.yaml:{message}"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        pytest.param("  namespace: shop\n", "", "4:3: metadata: namespace is missing", id="no namespace"),
        pytest.param(" shop\n", " Shop\n", f"5:14: metadata.namespace: {NAME}", id="namespace in upper case"),
        pytest.param("  reason: waiting for the vendor\n", "", "7:3: spec: reason is missing", id="reason"),
        pytest.param("  owner: team-shop\n", "", "7:3: spec: owner is missing", id="owner missing"),
        pytest.param("team-shop", "''", "10:10: spec.owner: expected text of length >= 1", id="empty owner"),
        pytest.param("  until: 2027-01-31T00:00:00Z\n", "", "7:3: spec: until is missing", id="no end"),
        pytest.param(
            "00:00:00Z",
            "00:00:00",
            "8:10: spec.until: expected a time with a zone, such as 2027-01-31T00:00:00Z",
            id="no zone",
        ),
        pytest.param(
            "T00:00:00Z", "", "8:10: spec.until: expected a time such as 2027-01-31T00:00:00Z", id="a day alone"
        ),
        pytest.param(
            "2027-01-31T00:00:00Z",
            "soon",
            "8:10: spec.until: expected a time such as 2027-01-31T00:00:00Z",
            id="a word",
        ),
        pytest.param(
            "2027-01-31T00:00:00Z",
            "5",
            "8:10: spec.until: expected a time such as 2027-01-31T00:00:00Z, got a whole number",
            id="a number",
        ),
        pytest.param("[image-pinned]", "[]", "7:11: spec.checks: expected a list of length >= 1", id="no checks"),
        pytest.param(
            "[image-pinned]",
            "[run-as-root]",
            f"7:12: spec.checks[0]: expected one of {KNOWN}, got run-as-root; did you mean run-as-non-root?",
            id="unknown check",
        ),
        pytest.param(
            "spec:",
            "spec:\n  match: {names: []}",
            "7:18: spec.match.names: expected a list of length >= 1",
            id="no names",
        ),
        pytest.param(
            "spec:",
            "spec:\n  match: {container: [a]}",
            "7:22: spec.match.container: unknown field, expected one of kinds, names, containers, images; "
            "did you mean containers?",
            id="unknown field of match",
        ),
        pytest.param(
            "spec:",
            f"spec:\n  match: {{images: [{'a' * 513}]}}",
            "7:20: spec.match.images[0]: expected text of length <= 512",
            id="pattern too long",
        ),
        pytest.param(
            "spec:",
            "spec:\n  ticket: null",
            "7:11: spec.ticket: expected text, got nothing",
            id="ticket null",
        ),
    ],
)
def test_a_wrong_exception_is_refused(old: str, new: str, message: str) -> None:
    assert error_of(EXCEPTION, old, new) == f"a.yaml:{message}"
