"""Image references: as distribution/reference reads them."""

import json
import re
import string
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook.model.image import Image, InvalidReferenceError, parse_image, split_registry

# The parser of containerd, CRI-O and the kubelet gave these answers: tests/e2e/oracles.py.
ANSWERS = [
    json.loads(line)
    for line in (Path(__file__).parents[1] / "fixtures" / "references.jsonl").read_text("utf-8").split("\n")
    if line
]
DIGEST = "sha256:9ae97d36d26566ff84e8893c64a6dc4fe8ca6d1144bf5b87b2b85a32def253c7"


def test_there_are_enough_answers_of_both_kinds() -> None:
    assert len(ANSWERS) >= 150
    assert sum(answer["ok"] for answer in ANSWERS) >= 100
    assert sum(not answer["ok"] for answer in ANSWERS) >= 100


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: f"{answer['input'][:60]!r}")
def test_a_reference_is_read_as_upstream_reads_it(answer: dict[str, Any]) -> None:
    if not answer["ok"]:
        with pytest.raises(InvalidReferenceError):
            parse_image(answer["input"])
        return

    image = parse_image(answer["input"])

    assert (image.registry, image.repository) == (answer["domain"], answer["path"])
    assert (image.tag or "", image.digest or "") == (answer["tag"], answer["digest"])
    assert str(image) == answer["input"]
    assert f"{image.full_name}{str(image).removeprefix(image.name)}" == answer["string"]


@pytest.mark.parametrize(
    ("reference", "image"),
    [
        pytest.param("nginx", Image("nginx", "docker.io", "library/nginx"), id="short"),
        pytest.param("index.docker.io/a", Image("index.docker.io/a", "docker.io", "library/a"), id="old Docker Hub"),
        pytest.param("localhost:5000/a", Image("localhost:5000/a", "localhost:5000", "a"), id="port"),
        pytest.param("localhost:5000", Image("localhost", "docker.io", "library/localhost", "5000"), id="no port"),
        pytest.param(f"a:1@{DIGEST}", Image("a", "docker.io", "library/a", "1", DIGEST), id="tag and digest"),
        pytest.param("under_score.example/a", Image("under_score.example/a", "", "under_score.example/a"), id="none"),
    ],
)
def test_a_reference_has_parts(reference: str, image: Image) -> None:
    assert parse_image(reference) == image


@pytest.mark.parametrize(
    ("reference", "why"),
    [
        ("", "an image's name must not be empty"),
        (" nginx", "a reference must not contain white space"),
        ("nginx\n", "a reference must not contain white space"),
        ("nginx: 1", "a reference must not contain white space"),
        ("https://example.com/a", "a reference has no scheme such as https://"),
        ("Nginx", "the repository's name must be in lower case"),
        ("registry.example.com/Team/app:Tag", "the repository's name must be in lower case"),
        (DIGEST.partition(":")[2], "an image's name cannot be 64 hexadecimal digits"),
        (f"a@md5:{'0' * 32}", "the digest's algorithm must be one of sha256, sha384, sha512"),
        (f"a@sha256:{'0' * 63}", "a sha256 digest must have 64 lower-case hexadecimal digits"),
        (f"a@sha256:{'0' * 65}", "a sha256 digest must have 64 lower-case hexadecimal digits"),
        (f"a@sha256:{'A' * 64}", "a sha256 digest must have 64 lower-case hexadecimal digits"),
        (f"a@sha384:{'0' * 64}", "a sha384 digest must have 96 lower-case hexadecimal digits"),
        (f"a@sha512:{'0' * 64}", "a sha512 digest must have 128 lower-case hexadecimal digits"),
        (f"example.com/{'a' * 256}", "the repository's name has more than 255 characters"),
        ("a:Tag:", "it does not have the form [registry[:port]/]repository[:tag][@digest]"),
        ("nginx:", "it does not have the form [registry[:port]/]repository[:tag][@digest]"),
        (f"nginx:{'a' * 129}", "it does not have the form [registry[:port]/]repository[:tag][@digest]"),
        ("nginx@", "it does not have the form [registry[:port]/]repository[:tag][@digest]"),
        ("café", "it does not have the form [registry[:port]/]repository[:tag][@digest]"),
        ("a٣", "it does not have the form [registry[:port]/]repository[:tag][@digest]"),
    ],
    ids=lambda text: repr(text[:40]),
)
def test_what_is_no_reference_is_told_why(reference: str, why: str) -> None:
    with pytest.raises(InvalidReferenceError, match=f"^{re.escape(why)}$"):
        parse_image(reference)


def test_a_repository_can_have_255_characters_however_long_the_registry_is() -> None:
    registry = ".".join(["a" * 60] * 10)

    assert parse_image(f"{registry}/{'a' * 255}").repository == "a" * 255
    assert parse_image(f"docker.io/{'a' * 247}").repository == f"library/{'a' * 247}"
    with pytest.raises(InvalidReferenceError):
        parse_image("a" * 248)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("a" * 1_000_000, id="a long name"),
        pytest.param("a/" * 500_000 + "a", id="many parts"),
        pytest.param("a." * 500_000 + "/a", id="many labels"),
        pytest.param("a" + "-" * 1_000_000, id="many hyphens"),
        pytest.param("a-" * 500_000, id="many words"),
        pytest.param("a__" * 300_000 + "!", id="many underscores"),
        pytest.param(f"example.com/a:{'1' * 1_000_000}", id="a long tag"),
        pytest.param(f"a@{'a+' * 500_000}:{'0' * 64}", id="a long algorithm"),
        pytest.param(f"a@sha256:{'0' * 1_000_000}", id="a long digest"),
        pytest.param(f"[{':' * 1_000_000}]/a!", id="a long address"),
        pytest.param(f"a:{'0' * 1_000_000}/a!", id="a long port"),
    ],
)
def test_a_megabyte_is_refused_at_once(text: str) -> None:
    # Each takes milliseconds; where the expressions could backtrack over it, it would take hours.
    with pytest.raises(InvalidReferenceError):
        parse_image(text)


def test_a_long_reference_is_read_like_any_other() -> None:
    registry = ".".join(["a" * 60] * 100)

    image = parse_image(f"{registry}:5000/team/app:1@{DIGEST}")

    assert image == Image(f"{registry}:5000/team/app", f"{registry}:5000", "team/app", "1", DIGEST)


ALNUM = string.ascii_lowercase + string.digits
COMPONENTS = st.from_regex(r"[a-z0-9]{1,4}((\.|_|__|-{1,3})[a-z0-9]{1,3}){0,2}", fullmatch=True)
REGISTRIES = st.one_of(
    st.sampled_from(["", "localhost/", "localhost:5000/", "docker.io/", "index.docker.io/", "[2001:db8::1]:5000/"]),
    st.from_regex(r"[a-zA-Z0-9]{1,3}(-[A-Z]{1,2})?(\.[a-z]{1,3}){0,2}(:[0-9]{1,5})?/", fullmatch=True),
)
TAGS = st.one_of(st.just(""), st.from_regex(r":[A-Za-z0-9_][A-Za-z0-9_.-]{0,8}", fullmatch=True))
DIGESTS = st.one_of(
    st.just(""),
    st.text("0123456789abcdef", min_size=64, max_size=64).map("@sha256:{}".format),
    st.text("0123456789abcdef", min_size=128, max_size=128).map("@sha512:{}".format),
)
VALID = st.builds(
    lambda registry, path, tag, digest: f"{registry}{'/'.join(path)}{tag}{digest}",
    REGISTRIES,
    st.lists(COMPONENTS, min_size=1, max_size=3),
    TAGS,
    DIGESTS,
)
BROKEN = st.builds(
    lambda text, at, put: f"{text[:at]}{put}{text[at + 1 :]}",
    VALID,
    st.integers(0, 40),
    st.sampled_from([*":@/._- \n[]A", "", "é", "٣", "ﬀ", "\ud800", "@sha256:"]),
)


@given(VALID)
def test_what_has_the_form_parses_and_prints_back_unchanged(reference: str) -> None:
    image = parse_image(reference)

    assert str(image) == reference


@given(BROKEN | st.text(max_size=30) | st.text(f"{ALNUM}:@/._-", max_size=30))
def test_what_parses_prints_back_unchanged(reference: str) -> None:
    try:
        image = parse_image(reference)
    except InvalidReferenceError:
        return

    assert str(image) == reference


@given(VALID)
def test_the_normalised_reference_is_the_same_image(reference: str) -> None:
    image = parse_image(reference)
    suffix = reference.removeprefix(image.name)

    again = parse_image(f"{image.full_name}{suffix}")

    assert (again.registry, again.repository) == (image.registry, image.repository)
    assert (again.tag, again.digest) == (image.tag, image.digest)


@pytest.mark.parametrize(
    ("reference", "parts"),
    [
        ("nginx", ("docker.io", "library/nginx")),
        ("team/app", ("docker.io", "team/app")),
        ("docker.io/app", ("docker.io", "library/app")),
        ("index.docker.io/team/app", ("docker.io", "team/app")),
        ("localhost/app", ("localhost", "app")),
        ("host/app", ("docker.io", "host/app")),
        ("Host/app", ("Host", "app")),
        ("host:1/app", ("host:1", "app")),
        ("a.b/c/d", ("a.b", "c/d")),
    ],
)
def test_a_registry_is_told_from_a_repository(reference: str, parts: tuple[str, str]) -> None:
    assert split_registry(reference) == parts
