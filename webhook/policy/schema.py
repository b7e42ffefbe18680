"""The policy format, podgate.io/v1, as Structs: what a file may say, and the source of docs/policies.md and its schema.

Unknown fields are errors: a misspelt one must not loosen a policy.
"""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from webhook.checks import CHECKS
from webhook.model.decision import Mode

API_VERSION = "podgate.io/v1"

ModeName = Literal["enforce", "warn", "audit"]
KindName = Literal[
    "Pod",
    "Deployment",
    "ReplicaSet",
    "StatefulSet",
    "DaemonSet",
    "Job",
    "CronJob",
    "ReplicationController",
    "PodTemplate",
]
# RFC 1123 subdomain, as Kubernetes asks of the names of most objects; Python's $ alone would take a last newline.
_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_DNS_NAME = "a DNS name: lower-case letters, digits, '-' and '.', a letter or digit at each end of every part"
Name = Annotated[
    str, Meta(min_length=1, max_length=253, pattern=rf"^{_LABEL}(\.{_LABEL})*$(?!\n)", extra={"expected": _DNS_NAME})
]
Pattern = Annotated[str, Meta(min_length=1, max_length=512)]
Text = Annotated[str, Meta(min_length=1, max_length=1024)]
Patterns = Annotated[tuple[Pattern, ...], Meta(min_length=1)]


def mode_of(name: ModeName) -> Mode:
    """Return the mode of that name."""
    return Mode[name.upper()]


class Format(Struct, frozen=True, forbid_unknown_fields=True, rename="camel", omit_defaults=True):
    """A part of the policy format."""


class Names(Format, frozen=True):
    """Names by pattern, where `*` stands for any characters: those included, less those excluded."""

    include: Annotated[Patterns, Meta(description="Default: all.")] = ("*",)
    exclude: Annotated[tuple[Pattern, ...], Meta(description="Wins over include.")] = ()


class Requirement(Format, frozen=True):
    """An entry of matchExpressions, as Kubernetes means it."""

    key: Annotated[Text, Meta(description="The key of a label.")]
    operator: Annotated[
        Literal["In", "NotIn", "Exists", "DoesNotExist"],
        Meta(description="`NotIn` and `DoesNotExist` hold where the label is absent."),
    ]
    values: Annotated[tuple[str, ...], Meta(description="For `In` and `NotIn`.")] = ()

    def __post_init__(self) -> None:
        if (self.operator in ("In", "NotIn")) != bool(self.values):
            msg = f"expected {'no ' if self.values else ''}values with the operator {self.operator}"
            raise ValueError(msg)


class LabelSelector(Format, frozen=True):
    """A label selector, as Kubernetes means it: everything in it must hold."""

    match_labels: Annotated[dict[str, str], Meta(description="Labels that must be there, with these values.")] = {}
    match_expressions: Annotated[tuple[Requirement, ...], Meta(description="What else must hold of the labels.")] = ()


class Match(Format, frozen=True):
    """Which reviews a policy applies to: those for which everything given here holds. Nothing given matches all."""

    namespaces: Annotated[Names, Meta(description="The namespace of the object.")] = Names()
    kinds: Annotated[tuple[KindName, ...], Meta(description="Default: all kinds podgate knows.")] = ()
    users: Annotated[Names, Meta(description="Who asks, by name.")] = Names()
    groups: Annotated[Names, Meta(description="Who asks: a group of theirs is included, none is excluded.")] = Names()
    operations: Annotated[
        tuple[Literal["CREATE", "UPDATE"], ...], Meta(description="Default: both. A DELETE is never refused.")
    ] = ()
    object_selector: Annotated[
        LabelSelector, Meta(description="By the labels of the object. Whoever writes the object writes its labels.")
    ] = LabelSelector()


def _settings_of(check_id: str) -> type[Struct]:
    """Return the check's options plus `mode`."""
    check = CHECKS[check_id]
    mode = Annotated[ModeName, Meta(description="Softer or harder than the policy. Default: the policy's mode.")]
    return msgspec.defstruct(
        check_id,
        [("mode", mode | UnsetType, UNSET)],
        bases=(check.options,),
        namespace={"__doc__": check.manual.partition("\n")[0]},
        frozen=True,
        forbid_unknown_fields=True,
    )


SETTINGS = {check_id: _settings_of(check_id) for check_id in CHECKS}
"""For each check the Struct of what a policy may say of it: its options and `mode`."""

if TYPE_CHECKING:
    Checks = Any
    CheckId = str
else:
    CheckId = Literal[tuple(CHECKS)]
    # A check that is named without options (`run-as-non-root:`) is null in YAML: refused, lest it be taken for absent.
    Checks = msgspec.defstruct(
        "Checks",
        [(check_id.replace("-", "_"), settings | UnsetType, UNSET) for check_id, settings in SETTINGS.items()],
        namespace={"__doc__": "The checks to run, each by its id, with its options ({} for their defaults)."},
        rename={check_id.replace("-", "_"): check_id for check_id in CHECKS},
        frozen=True,
        forbid_unknown_fields=True,
    )


class Metadata(Format, frozen=True):
    """As of any Kubernetes object; labels and annotations are the reader's own."""

    name: Annotated[
        Name, Meta(description="No two policies share one, nor two exceptions of one namespace. Verdicts show it.")
    ]
    labels: Annotated[dict[str, str], Meta(description="Not read by podgate.")] = {}
    annotations: Annotated[dict[str, str], Meta(description="Not read by podgate.")] = {}


class NamespacedMetadata(Metadata, frozen=True, kw_only=True):
    """As of any Kubernetes object in a namespace."""

    namespace: Annotated[Name, Meta(description="The namespace whose workloads it excuses; it counts in no other.")]


class ClusterPolicySpec(Format, frozen=True):
    """What a policy asks, of what, and how hard."""

    checks: Annotated[Checks, Meta(description="The checks to run, each by its id.")]
    mode: Annotated[
        ModeName,
        Meta(description="What a violation does: refuse (`enforce`), a warning to the user, an audit annotation."),
    ] = "enforce"
    controllers: Annotated[
        ModeName,
        Meta(description="What a violation in a pod template does at most, in a Deployment, say. Its pods are judged."),
    ] = "warn"
    match: Annotated[Match, Meta(description="Which reviews the policy applies to. Default: all.")] = Match()
    contact: Annotated[
        Text | UnsetType,
        Meta(description="Where an exception is asked for, a channel or an address; ends each denial."),
    ] = UNSET


class ClusterPolicy(Format, frozen=True):
    """A policy of the platform, for the whole cluster."""

    api_version: Annotated[Literal["podgate.io/v1"], Meta(description="The format and its version.")]
    kind: Annotated[Literal["ClusterPolicy"], Meta(description="What the document is.")]
    metadata: Annotated[Metadata, Meta(description="Its name.")]
    spec: Annotated[ClusterPolicySpec, Meta(description="What it asks.")]


class ExceptionMatch(Format, frozen=True):
    """What is excused: that for which everything given here holds.

    With `containers` or `images`, only violations about such a container or image are excused.
    """

    kinds: Annotated[
        tuple[KindName, ...],
        Meta(description="Default: all. A Deployment's pods are excused with it when its controllers create them."),
    ] = ()
    names: Annotated[Patterns, Meta(description="Names of workloads, with `*`. Default: all.")] = ("*",)
    containers: Annotated[tuple[Pattern, ...], Meta(description="Names of containers, with `*`.")] = ()
    images: Annotated[
        tuple[Pattern, ...],
        Meta(
            description="Repositories, matched segment by segment after Docker Hub's short names are written out: `*` "
            "within a segment, `**` at the end for any depth; a tag or digest, where given, must match too."
        ),
    ] = ()


class PolicyExceptionSpec(Format, frozen=True):
    """What is excused from which checks, until when, why, and who answers for it."""

    checks: Annotated[tuple[CheckId, ...], Meta(min_length=1, description="Ids of checks.")]
    until: Annotated[
        datetime, Meta(tz=True, description="From this second on it has no effect. RFC 3339, with a time zone.")
    ]
    reason: Annotated[Text, Meta(description="Why it is needed.")]
    owner: Annotated[Text, Meta(description="Who answers for it.")]
    match: Annotated[ExceptionMatch, Meta(description="Which workloads. Default: all there.")] = ExceptionMatch()
    ticket: Annotated[Text | UnsetType, Meta(description="Where it is followed up, SEC-1234, say.")] = UNSET


class PolicyException(Format, frozen=True):
    """An exception from checks, for workloads in its own namespace."""

    api_version: Annotated[Literal["podgate.io/v1"], Meta(description="The format and its version.")]
    kind: Annotated[Literal["PolicyException"], Meta(description="What the document is.")]
    metadata: Annotated[NamespacedMetadata, Meta(description="Its name and namespace.")]
    spec: Annotated[PolicyExceptionSpec, Meta(description="What it excuses.")]
