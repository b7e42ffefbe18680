"""Readiness: what takes a replica out of service, and what is only shown."""

from webhook.server.readiness import Condition, Readiness, Report

HOLDS = Condition("serving", holds=True, detail="not draining")
AMISS = Condition("policies", holds=False, detail="x.yaml:1:1: no", required=False)
BROKEN = Condition("certificate", holds=False, detail="valid to yesterday")


def test_what_holds_is_ready() -> None:
    report = Report((HOLDS,))

    assert report.ready
    assert str(report) == "[+]serving: not draining\nready\n"


def test_what_is_not_required_is_shown_and_leaves_it_ready() -> None:
    report = Report((HOLDS, AMISS))

    assert report.ready
    assert str(report) == ("[+]serving: not draining\n[!]policies: x.yaml:1:1: no\nready, with something amiss\n")


def test_what_is_required_and_does_not_hold_is_not_ready() -> None:
    report = Report((HOLDS, AMISS, BROKEN))

    assert not report.ready
    assert str(report) == (
        "[+]serving: not draining\n[!]policies: x.yaml:1:1: no\n[-]certificate: valid to yesterday\nnot ready\n"
    )


def test_every_report_asks_anew() -> None:
    answers = iter([HOLDS, BROKEN])
    readiness = Readiness([lambda: next(answers)])

    assert [readiness.report().ready, readiness.report().ready] == [True, False]
