"""Odd requests to the real server over TLS: each is answered, by JSON, on a connection that stays."""

import json
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.served import Served

REVIEWS = Path(__file__).parents[1] / "fixtures/reviews"
JSON = {"content-type": "application/json"}
OTHER_TYPES: tuple[Any, ...] = (None, True, -1, 1e300, "\u0000", [], {}, [[[]]], {"a": {"b": None}})


def odd(value: Any, at: Any, key: Any, count: int) -> Iterator[bytes]:
    """Yield *value* with what is at *key* of *at*, a part of it, dropped, and replaced by something else."""
    kept = at[key]
    at[key] = OTHER_TYPES[count % len(OTHER_TYPES)]
    yield json.dumps(value).encode()
    if isinstance(at, dict):
        del at[key]
        yield json.dumps(value).encode()
    at[key] = kept


def all_odd(value: Any) -> Iterator[bytes]:
    """Yield *value* with each of its parts in turn made odd."""
    parts = [value]
    count = 0
    for part in parts:
        for key in list(part) if isinstance(part, dict) else range(len(part)):
            count += 1
            yield from odd(value, part, key, count)
            if isinstance(part[key], dict | list):
                parts.append(part[key])


@pytest.mark.parametrize("name", ["pod-create-latest-root", "deployment-update-template"])
def test_every_part_of_a_review_may_be_odd(served: Served, name: str) -> None:
    review = json.loads((REVIEWS / f"{name}.json").read_bytes())
    uid = review["request"]["uid"]
    faults = served.metric('podgate_reviews_total{kind="Pod",operation="CREATE",verdict="error"}')

    with closing(served.connect()) as connection:
        connection.connect()
        kept, answered = connection.sock, 0
        for body in all_odd(review):
            connection.request("POST", "/validate", body, JSON)
            answer = connection.getresponse()
            value = json.loads(answer.read())
            if answer.status == 200:
                assert value["response"]["uid"] in (uid, "\u0000")
                assert value["response"].get("status", {"code": 403})["code"] in (400, 403)
            else:
                assert answer.status == 400
                assert value["reason"].startswith("the body is no AdmissionReview of admission.k8s.io/v1: ")
            answered += 1

        assert connection.sock is kept
    assert answered > 300
    assert "Traceback" not in served.errors.read_text()
    assert served.metric('podgate_reviews_total{kind="Pod",operation="CREATE",verdict="error"}') >= faults


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        pytest.param("GET", "//[bad", 404, id="what a URL cannot hold"),
        pytest.param("POST", "/validate/", 404, id="a slash at the end"),
        pytest.param("GET", "/%00%ff", 404, id="no text"),
        pytest.param("POST", "/readyz", 404, id="a path of the plain port"),
        pytest.param("DELETE", "/validate", 405, id="another method"),
        pytest.param("FOO", "/validate", 405, id="no method"),
    ],
)
def test_what_is_no_review_is_explained_and_counted(served: Served, method: str, path: str, status: int) -> None:
    before = served.metric("podgate_bad_requests_total")

    with closing(served.connect()) as connection:
        connection.putrequest(method, path)
        connection.endheaders()
        answer = connection.getresponse()
        reason = json.loads(answer.read())["reason"]

    assert answer.status == status
    assert reason.startswith(
        "The requested URL was not found" if status == 404 else "The method is not allowed for the requested URL."
    )
    assert answer.getheader("content-type") == "application/json"
    assert served.metric("podgate_bad_requests_total") == before + 1
    assert "Traceback" not in served.errors.read_text()


def test_a_query_is_no_part_of_the_path(served: Served) -> None:
    """The API server appends the timeout to the path."""
    review = (REVIEWS / "pod-create-pinned-nonroot.json").read_bytes()

    with closing(served.connect()) as connection:
        connection.request("POST", "/validate?timeout=10s", review, JSON)
        answer = connection.getresponse()

        assert answer.status == 200
        assert json.loads(answer.read())["response"]["allowed"] is True


def test_a_client_that_goes_away_in_the_middle_of_its_body_leaves_no_trace(served: Served) -> None:
    for head in ("content-length: 2000", "transfer-encoding: chunked"):
        with closing(served.connect()) as connection:
            connection.connect()
            request = f"POST /validate HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n{head}\r\n\r\n2\r\n{{}}"
            connection.sock.sendall(request.encode())

    assert served.ask((REVIEWS / "pod-create-pinned-nonroot.json").read_bytes())["allowed"] is True
    assert "Traceback" not in served.errors.read_text()


def test_a_broken_policy_whose_file_name_is_not_utf_8_is_shown_and_logged(tmp_path: Path) -> None:
    with Served(tmp_path) as served:
        name = os.fsencode(served.policies) + b"/\xff.yaml"
        try:
            descriptor = os.open(name, os.O_CREAT | os.O_WRONLY)
        except OSError:
            pytest.skip("this file system takes only UTF-8")
        os.write(descriptor, b"kind: none\n")
        os.close(descriptor)
        served.wait_until(lambda: served.metric("podgate_policy_last_load_successful") == 0, "loaded again", 5)
        status, ready = served.get("/readyz")

    where = f"{served.policies}/\\udcff.yaml:1:1: apiVersion: expected podgate.io/v1"
    assert status == 200
    assert where in ready
    assert where in served.errors.read_text()
