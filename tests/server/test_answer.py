"""Answers: a decision as the API server wants it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.policies import exception, policy
from tests.reviews import At, Manifest, pod, review_of, workload
from webhook.evaluate import NOTHING_FOUND, evaluate
from webhook.model.decision import Decision, Finding, Mode, Violation
from webhook.model.review import Review
from webhook.policy.policies import Policy, PolicyException, policy_set
from webhook.server.answer import LONGEST_WARNING, MOST_WARNING_CHARACTERS, denial, render, render_error, warnings

UID = "705ab4f5-6393-11e8-b7cc-42010a800002"
BOTH: dict[str, Any] = {"image-pinned": {}, "run-as-non-root": {}}
NGINX = 'spec.containers[0].image: "nginx" must have the tag of an exact version, or a digest'
REDIS = 'spec.containers[1].image: "redis:8" must have the tag of an exact version, or a digest'
MOST_BY_THE_API_SERVER = 4096  # runes of all warnings together


def decide(review: Review, *given_: Policy | PolicyException) -> Decision:
    policies = [one for one in given_ if isinstance(one, Policy)]
    return evaluate(review, policy_set(policies, [one for one in given_ if isinstance(one, PolicyException)]), At())


def respond(manifest: Manifest, *given_: Policy | PolicyException) -> dict[str, Any]:
    """Return the AdmissionResponse to the creation of *manifest*."""
    review = review_of(manifest)
    answer = json.loads(render(review, decide(review, *given_)))
    response: dict[str, Any] = answer.pop("response")
    assert answer == {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}
    return response


def violation(message: str, mode: Mode = Mode.WARN, path: str = "spec") -> Violation:
    return Violation("p", "c", mode, Finding(path, message, f"mend {path}"))


def denied(*violations: Violation, contacts: tuple[str, ...] = ()) -> str:
    return denial(review_of(pod("nginx")), Decision(violations=violations, contacts=contacts))


# What is allowed


def test_an_allowed_answer_has_the_uid_and_nothing_else() -> None:
    assert respond(pod("app:1.2.3"), policy()) == {"uid": UID, "allowed": True}


def test_a_uid_comes_back_as_it_was_given() -> None:
    review = review_of(pod("app:1.2.3"))
    odd = Review(**{**{name: getattr(review, name) for name in review.__struct_fields__}, "uid": 'a"\\\n\u00e9'})

    assert json.loads(render(odd, NOTHING_FOUND))["response"] == {"uid": 'a"\\\n\u00e9', "allowed": True}


# What is refused


def test_a_refusal_says_all_that_is_wrong_and_what_to_do() -> None:
    supply_chain = policy("supply-chain", contact="#platform on chat")
    non_root = policy("non-root", checks={"run-as-non-root": {}})

    assert respond(pod("nginx", "redis:8"), supply_chain, non_root) == {
        "uid": UID,
        "allowed": False,
        "status": {
            "code": 403,
            "reason": "Forbidden",
            "message": (
                "podgate refuses Pod web: 4 violations\n"
                "  spec.containers[0].securityContext.runAsNonRoot: must be true, here or in spec.securityContext"
                " (non-root/run-as-non-root)\n"
                "  spec.containers[1].securityContext.runAsNonRoot: must be true, here or in spec.securityContext"
                " (non-root/run-as-non-root)\n"
                '  spec.containers[0].image: "nginx" must have the tag of an exact version, or a digest'
                " (supply-chain/image-pinned)\n"
                '  spec.containers[1].image: "redis:8" must have the tag of an exact version, or a digest'
                " (supply-chain/image-pinned)\n"
                "to fix:\n"
                "  set spec.securityContext.runAsNonRoot: true\n"
                "  set spec.containers[0].image to nginx:<major>.<minor>.<patch>\n"
                "  set spec.containers[1].image to redis:<major>.<minor>.<patch>\n"
                "exceptions: #platform on chat"
            ),
        },
    }


def test_one_violation_is_singular() -> None:
    assert denied(violation("must be so", Mode.ENFORCE)) == (
        "podgate refuses Pod web: 1 violation\n  spec: must be so (p/c)\nto fix:\n  mend spec"
    )


def test_details_stand_beneath_their_violation_and_not_in_warnings() -> None:
    finding = Finding("spec.containers[0].image", "must be mended", "mend it", details=("critical CVE-1", "high CVE-2"))
    violations = (Violation("a", "b", Mode.ENFORCE, finding), Violation("a", "c", Mode.ENFORCE, finding))

    lines = denial(review_of(pod("nginx")), Decision(violations=violations)).split("\n")

    assert lines[1:4] == [
        "  spec.containers[0].image: must be mended (a/b)",
        "    critical CVE-1",
        "    high CVE-2",
    ]
    assert lines[4] == "  spec.containers[0].image: must be mended (a/c)"
    assert warnings(violations) == (lines[1].strip(), lines[4].strip())


def test_every_contact_has_a_line_and_no_contact_none() -> None:
    enforced = violation("must be so", Mode.ENFORCE)

    assert denied(enforced, contacts=("a@example.com", "#b")).endswith("\nexceptions: a@example.com\nexceptions: #b")
    assert "exceptions:" not in denied(enforced)


def test_a_refusal_counts_only_what_is_enforced() -> None:
    message = denied(violation("is refused", Mode.ENFORCE), violation("is warned"), violation("is audited", Mode.AUDIT))

    assert message.startswith("podgate refuses Pod web: 1 violation\n")
    assert "is warned" not in message
    assert "is audited" not in message


def test_an_object_whose_name_is_yet_to_be_made_goes_by_what_it_is_made_from() -> None:
    manifest = pod("nginx", generateName="import-")
    del manifest["metadata"]["name"]

    assert respond(manifest, policy())["status"]["message"].startswith("podgate refuses Pod import-: 1 violation\n")


def test_a_template_is_refused_under_its_own_kind() -> None:
    manifest = workload("Deployment", {"containers": [{"name": "a", "image": "nginx"}]})

    message = respond(manifest, policy(controllers="enforce"))["status"]["message"]

    assert message.startswith("podgate refuses Deployment web: 1 violation\n  spec.template.spec.containers[0].image: ")


def test_a_refusal_carries_its_warnings_and_annotations_too() -> None:
    response = respond(pod("nginx"), policy("a"), policy("b", mode="warn"), policy("c", mode="audit"))

    assert response["allowed"] is False
    assert response["warnings"] == [f"{NGINX} (b/image-pinned)"]
    assert response["auditAnnotations"] == {"violations": f"{NGINX} (c/image-pinned)"}


# Warnings


def test_each_violation_is_a_warning_and_the_review_is_allowed() -> None:
    assert respond(pod("nginx", "redis:8"), policy(mode="warn")) == {
        "uid": UID,
        "allowed": True,
        "warnings": [
            f"{NGINX} (a/image-pinned)",
            f"{REDIS} (a/image-pinned)",
        ],
    }


@pytest.mark.parametrize(
    ("count", "last"),
    [
        pytest.param(36, "1 more violation is in podgate's denial log", id="one"),
        pytest.param(135, "100 more violations are in podgate's denial log", id="many"),
    ],
)
def test_warnings_past_what_the_api_server_passes_on_are_counted(count: int, last: str) -> None:
    lines = warnings(tuple(violation("x" * 88) for _ in range(count)))  # 100 characters each, as a line

    assert lines == (*[f"spec: {'x' * 88} (p/c)"] * 35, last)


def test_warnings_that_just_fit_are_all_there() -> None:
    assert len(warnings(tuple(violation("x" * 88) for _ in range(35)))) == 35


def test_a_long_warning_is_cut() -> None:
    (line,) = warnings((violation("x" * 2000),))

    assert (len(line), line[-1]) == (LONGEST_WARNING, "…")


def test_a_warning_of_the_longest_length_is_not_cut() -> None:
    (line,) = warnings((violation("x" * (LONGEST_WARNING - 12)),))

    assert line == f"spec: {'x' * (LONGEST_WARNING - 12)} (p/c)"


def test_no_violations_are_no_warnings() -> None:
    assert warnings(()) == ()


@given(st.lists(st.integers(0, 3000), max_size=60))
def test_warnings_always_stay_within_what_the_api_server_passes_on(lengths: list[int]) -> None:
    lines = warnings(tuple(violation("é" * length) for length in lengths))

    own = [line for line in lines if "more violation" not in line]
    assert sum(map(len, own)) <= MOST_WARNING_CHARACTERS
    assert sum(map(len, lines)) < MOST_BY_THE_API_SERVER
    assert len(own) == len(lengths) or lines[-1].startswith(f"{len(lengths) - len(own)} more violation")


# What a user writes must not break a line. The API server drops warnings with line breaks or control characters.

hostile = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


@given(hostile)
def test_no_line_has_a_line_break_or_control_character_of_the_manifest(text: str) -> None:
    manifest = pod(text, f"nginx:{text}", f"{text}\r\n/x")

    refused = respond(manifest, policy())
    warned = respond(manifest, policy(mode="warn"))
    audited = respond(manifest, policy(mode="audit"))

    count = len(warned.get("warnings", ()))
    assert all(line.isprintable() for line in warned.get("warnings", ()))
    assert len(audited.get("auditAnnotations", {"violations": ""})["violations"].split("\n")) == max(count, 1)
    # A headline, a line for each, "to fix:", a line for each fix (each is of another path).
    assert len(refused.get("status", {"message": "x" + "\n" * (2 * count + 1)})["message"].split("\n")) == 2 * count + 2


# Audit annotations


def test_audited_violations_are_an_annotation_whose_key_has_no_prefix() -> None:
    response = respond(pod("nginx", "redis:8"), policy(mode="audit"))

    assert response == {
        "uid": UID,
        "allowed": True,
        "auditAnnotations": {
            "violations": f"{NGINX} (a/image-pinned)\n{REDIS} (a/image-pinned)",
        },
    }


def test_what_an_exception_excuses_is_an_annotation_that_names_it() -> None:
    response = respond(pod("nginx"), policy(), exception("legacy"))

    assert response == {
        "uid": UID,
        "allowed": True,
        "auditAnnotations": {
            "exceptions": f"{NGINX} (a/image-pinned) excused by shop/legacy until 2027-01-31T00:00:00+00:00",
        },
    }


def test_no_annotation_key_has_a_prefix() -> None:
    both = respond(pod("nginx"), policy("a", mode="audit", checks=BOTH), exception())
    error = json.loads(render_error(UID, 500, "InternalError", "x"))["response"]

    keys = {*both["auditAnnotations"], *error["auditAnnotations"]}
    assert keys == {"violations", "exceptions", "error"}


# Errors


def test_an_error_is_a_refusal_with_its_code_its_reason_and_an_annotation() -> None:
    assert json.loads(render_error("u", 500, "InternalError", "the disk is on fire")) == {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "response": {
            "uid": "u",
            "allowed": False,
            "status": {"code": 500, "reason": "InternalError", "message": "the disk is on fire"},
            "auditAnnotations": {"error": "the disk is on fire"},
        },
    }
