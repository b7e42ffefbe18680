"""The verdict on a manifest: on the object itself and on what controllers make of it, told as one."""

from msgspec import Struct

from webhook.evaluate import evaluate, must_pass
from webhook.manifests.read import Manifest
from webhook.manifests.review import Asking, reviews_of
from webhook.model.decision import Decision, Excused, Finding, Mode, Violation
from webhook.model.facts import Facts
from webhook.model.report import Evidence
from webhook.policy.policies import PolicySet

Key = tuple[str, str, str, str, str]


class Judged(Struct, frozen=True):
    """A finding in a manifest: `mode` is the hardest that it does, to the object or to what controllers make of it.

    `own` is what it does when the object itself is applied, None where it is found in its pods only.
    """

    policy: str
    check: str
    mode: Mode
    own: Mode | None
    finding: Finding
    line: int


class ManifestVerdict(Struct, frozen=True):
    """What becomes of an object: what was found, by line, and what exceptions excused.

    `unsure` where a policy or the reports could not be read: then nothing but a refusal is a verdict.
    """

    manifest: Manifest
    namespace: str
    name: str
    findings: tuple[Judged, ...]
    excused: tuple[Excused, ...]
    evidence: tuple[Evidence, ...]
    contacts: tuple[str, ...]
    unsure: bool = False

    @property
    def mode(self) -> Mode | None:
        """The hardest that any finding does; None where nothing was found."""
        return max((judged.mode for judged in self.findings), default=None)

    @property
    def refused(self) -> bool:
        """Whether the object itself is refused."""
        return any(judged.own is Mode.ENFORCE for judged in self.findings)

    @property
    def not_judged(self) -> bool:
        """Whether there is no verdict: the webhook, which lets nothing in meanwhile, may say another."""
        return self.unsure and self.mode is not Mode.ENFORCE


def judge(
    manifest: Manifest, policies: PolicySet, facts: Facts, asking: Asking, *, unsure: bool = False
) -> ManifestVerdict:
    """Return the verdict on *manifest*, a workload; raises DocumentError where it cannot be read as one.

    No API server takes a pod without containers, in which nothing would be found: that is an error, too. *unsure* says
    that some of *policies* or *facts* could not be read.
    """
    reviews = reviews_of(manifest, asking)
    workload = reviews[0].workload
    if not workload.pod.containers:
        raise manifest.error(workload.path, "no containers: is a field misspelt?")
    decisions = [evaluate(review, policies, facts) for review in reviews]
    findings = _merged(decisions, manifest)
    found = {_key(judged) for judged in findings}
    excused = {_key(each.violation): each for decision in decisions for each in decision.excused}
    return ManifestVerdict(
        manifest=manifest,
        namespace=reviews[0].namespace,
        name=reviews[0].name,
        findings=findings,
        excused=tuple(each for key, each in excused.items() if key not in found),
        evidence=_evidence(decisions),
        contacts=tuple(dict.fromkeys(contact for decision in decisions for contact in decision.contacts)),
        unsure=unsure and not all(map(must_pass, reviews)),
    )


def _merged(decisions: list[Decision], manifest: Manifest) -> tuple[Judged, ...]:
    """Return what was found, each once and in the hardest mode, in the order of the lines."""
    own = {_key(violation): violation.mode for violation in decisions[0].violations}
    hardest: dict[Key, Violation] = {}
    for violation in (violation for decision in decisions for violation in decision.violations):
        key = _key(violation)
        if key not in hardest or violation.mode > hardest[key].mode:
            hardest[key] = violation
    found = [
        Judged(
            policy=violation.policy,
            check=violation.check,
            mode=violation.mode,
            own=own.get(key),
            finding=violation.finding,
            line=manifest.place(violation.finding.path).line,
        )
        for key, violation in hardest.items()
    ]
    return tuple(sorted(found, key=lambda judged: judged.line))


def _key(violation: Violation | Judged) -> Key:
    """Return what makes the finding about an object and that about its pods one."""
    finding = violation.finding
    return violation.policy, violation.check, finding.path, finding.message, finding.fix


def _evidence(decisions: list[Decision]) -> tuple[Evidence, ...]:
    said = {(each.image, each.platform, each.state): each for decision in decisions for each in decision.evidence}
    return tuple(said.values())
