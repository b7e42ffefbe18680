"""See podgate decide: `make run`.

Starts `podgate serve` as anyone would, with a certificate made for the purpose and the policies in policies/; posts
three reviews that a real API server sent (tests/fixtures/reviews/); shows what was asked and what came back; and serves
on until Ctrl-C, so that you can edit a policy and ask again.
"""

import json
import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.served import POLICIES, Served
from webhook.model.review import parse_review

ROOT = Path(__file__).resolve().parent.parent
REVIEWS = ROOT / "tests" / "fixtures" / "reviews"
SHOWN = (
    ("A pinned pod that runs as a user of its own", "pod-create-pinned-nonroot.json"),
    ("A pod with moving tags, as root", "pod-create-latest-root.json"),
    ("A Deployment with such a template", "deployment-create-latest-root.json"),
)
COLOURS = {"allowed": "32", "refused": "31", "warned": "33"}


def main() -> None:
    """Show three reviews, then serve until Ctrl-C."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with tempfile.TemporaryDirectory(prefix="podgate-") as folder, Served(Path(folder), policies=POLICIES) as served:
        for title, name in SHOWN:
            body = (REVIEWS / name).read_bytes()
            show(title, body, served.ask(body))
        print(f"{bold('Denial log')}, one line a verdict that was not a plain allow:\n")
        print("".join(f"  {json.dumps(record)}\n" for record in served.records()))
        print(invitation(served, folder))
        try:
            served.process.wait()
        except KeyboardInterrupt:
            print("\nstopping")


def show(title: str, body: bytes, response: dict[str, Any]) -> None:
    """Print a review and its answer."""
    review = parse_review(body)
    print(f"{bold(title)}\n")
    print(f"  {review.operation} {review.kind} {review.namespace}/{review.name} by {review.user.username}")
    for use in review.workload.image_uses():
        print(f"    {use.path}: {use.reference}")
    print(f"  -> {verdict(response)}")
    message = response.get("status", {}).get("message", "")
    lines = [*message.splitlines(), *(f"Warning: {warning}" for warning in response.get("warnings", ()))]
    print("".join(f"     {line}\n" for line in lines))


def verdict(response: dict[str, Any]) -> str:
    """Return the verdict in a word, coloured on a terminal."""
    word = "refused" if not response["allowed"] else "warned" if response.get("warnings") else "allowed"
    return styled(word, COLOURS[word])


def invitation(served: Served, folder: str) -> str:
    """Return what to try next."""
    return f"""{bold("podgate is serving")} until Ctrl-C. In another terminal, from this folder:

  curl --cacert {folder}/ca.crt -H 'content-type: application/json' \\
       -d @tests/fixtures/reviews/pod-create-latest-root.json {served.url}
  curl http://127.0.0.1:{served.plain_port}/readyz
  curl http://127.0.0.1:{served.plain_port}/metrics

Edit {served.policies}/supply-chain.yaml (level: tag, say) and ask again: a change is in force within a second.
"""


def bold(text: str) -> str:
    """Return *text* in bold on a terminal."""
    return styled(text, "1")


def styled(text: str, code: str) -> str:
    """Return *text* in an ANSI style on a terminal, as it is elsewhere and where NO_COLOR is set."""
    return f"\033[{code}m{text}\033[0m" if sys.stdout.isatty() and not os.environ.get("NO_COLOR") else text


if __name__ == "__main__":
    main()
