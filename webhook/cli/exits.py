"""How commands end where they cannot go on: with a line on standard error and an exit code, never with a traceback."""

import os
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

import click

from webhook.model.quote import printable

FAILED = 2
INTERRUPTED = 128 + signal.SIGINT  # as a shell says it of a process that the signal ended
NOBODY_READS = 128 + signal.SIGPIPE  # as above: tools in Go are ended by it, Python gets an error instead


class Commands(click.Group):
    """Commands whose end is well defined, whatever happens in them."""

    def make_context(self, *args: Any, **more: Any) -> click.Context:
        """As click's: it prints help, too."""
        with _ending():
            return super().make_context(*args, **more)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        with _ending():
            return super().invoke(ctx)


@contextmanager
def _ending() -> Iterator[None]:
    """Turn into SystemExit what neither a command nor click knows how to end with."""
    try:
        yield
    except (click.ClickException, click.exceptions.Exit, click.Abort):
        raise
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        _forget(sys.stdout)
        sys.exit(NOBODY_READS)
    except Exception as error:  # noqa: BLE001  # the end of the program: a traceback would tell its user less
        if isinstance(error, OSError):
            _forget(sys.stdout)
        click.echo(printable(f"Error: {_in_words(error)}"), err=True)
        sys.exit(FAILED)


def _in_words(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"{error.filename or 'standard input or output'}: {error.strerror or error}"
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"a fault in podgate: {type(error).__name__}: {error} ({place.filename}:{place.lineno})"


def _forget(stream: TextIO) -> None:
    """Send nowhere what *stream* could not write: at its end Python tries again, and exits with a code of its own."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
