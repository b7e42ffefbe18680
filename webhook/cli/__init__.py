"""The command line: podgate, one module a command."""

import click

from webhook import __version__
from webhook.cli.serve import serve


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="podgate")
def main() -> None:
    """Decide what may run in the pods of a Kubernetes cluster."""


main.add_command(serve)
