"""The command line: podgate, one module a command."""

from collections.abc import Iterator, MutableMapping
from importlib import import_module

import click

from webhook import __version__
from webhook.cli.exits import Commands

# Where each command is: a module, and the name of the command in it.
_COMMANDS = {
    "check": "webhook.cli.check:check",
    "completion": "webhook.cli.completion:completion",
    "explain": "webhook.cli.explain:explain",
    "health": "webhook.cli.health:health",
    "policy": "webhook.cli.policy:policy",
    "report": "webhook.cli.report:report",
    "serve": "webhook.cli.serve:serve",
}


class _Lazy(MutableMapping[str, click.Command]):
    """Commands that are imported when they are asked for: `podgate check` need not wait for a web server."""

    def __init__(self, places: dict[str, str]) -> None:
        self._places = places

    def __getitem__(self, name: str) -> click.Command:
        module, _, attribute = self._places[name].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def __setitem__(self, name: str, command: click.Command) -> None:
        raise NotImplementedError

    def __delitem__(self, name: str) -> None:
        raise NotImplementedError

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


@click.group(cls=Commands, commands=_Lazy(_COMMANDS), context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="podgate")
def main() -> None:
    """Decide what may run in the pods of a Kubernetes cluster."""
