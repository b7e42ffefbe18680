"""What commands print: columns and tables, with colours for a terminal alone, and ages."""

import os
import sys
from collections.abc import Generator, Mapping, Sequence
from datetime import timedelta
from typing import TextIO, TypeVar

import click

from webhook.model.quote import one_line

T = TypeVar("T")

GAP = "   "
MANY = 20  # steps, from which on a bar is worth while
SEVERITY_COLOURS = {"CRITICAL": "red", "HIGH": "bright_red", "MEDIUM": "yellow", "LOW": "blue", "UNKNOWN": "cyan"}
"""As Trivy shows them (trivy-db, pkg/types/types.go)."""


def is_terminal(stream: TextIO) -> bool:
    """Return whether somebody looks at *stream*."""
    return stream.isatty()


def has_colours(stream: TextIO) -> bool:
    """Return whether *stream* is to have colours: a terminal that can, and nobody set NO_COLOR (no-color.org)."""
    return is_terminal(stream) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def columns(header: Sequence[str], rows: Sequence[Sequence[str]], colours: Mapping[str, str] | None = None) -> str:
    """Return *rows* in columns under *header*, as kubectl prints them: one line each, nothing cut.

    A cell whose text is in *colours*, or that is no 0 in a column whose name is, gets that colour.
    """
    lines = [[one_line(cell) for cell in row] for row in [header, *rows]]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]

    def line(cells: Sequence[str], *, plain: bool) -> str:
        padded = [cell.ljust(width) for cell, width in zip(cells, widths, strict=True)]
        padded[-1] = cells[-1]
        if not plain and colours:
            padded = [_coloured(text, name, colours) for text, name in zip(padded, header, strict=True)]
        return GAP.join(padded).rstrip()

    return "\n".join([line(lines[0], plain=True), *(line(cells, plain=False) for cells in lines[1:])])


def _coloured(text: str, column: str, colours: Mapping[str, str]) -> str:
    colour = colours.get(text.strip()) or (colours.get(column) if text.strip() not in ("", "0") else None)
    return click.style(text, fg=colour) if colour else text


def print_columns(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print *rows* as `columns` has them, severities in their colours."""
    click.echo(columns(header, rows, SEVERITY_COLOURS if has_colours(sys.stdout) else None))


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table, ruled and as wide as the terminal; to anything but a terminal as `print_columns`."""
    if not is_terminal(sys.stdout):
        print_columns(header, rows)
        return
    from rich import box  # noqa: PLC0415  # takes longer to load than most commands to run
    from rich.console import Console  # noqa: PLC0415  # as above
    from rich.table import Table  # noqa: PLC0415  # as above
    from rich.text import Text  # noqa: PLC0415  # as above

    table = Table(box=box.SQUARE, show_lines=True, header_style="")
    for name in header:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*[Text(one_line(cell), style=SEVERITY_COLOURS.get(cell, "")) for cell in row])
    Console(no_color=not has_colours(sys.stdout), highlight=False).print(table)


def print_fields(fields: Mapping[str, str]) -> None:
    """Print the names and values of *fields*, one a line, as kubectl describe does."""
    width = max(map(len, fields)) + len(":") + len(GAP)
    for name, value in fields.items():
        click.echo(f"{f'{name}:'.ljust(width)}{one_line(value)}")


def show_age(age: timedelta) -> str:
    """Return *age* in one unit, as kubectl does: 40s, 12m, 5h, 3d. What is yet to come has the age of 0s."""
    seconds = max(0, int(age.total_seconds()))
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"


def show_count(count: int, noun: str) -> str:
    """Return *count* of *noun*: 1 report, 2 reports."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def track(items: Sequence[T], what: str) -> Generator[T]:
    """Yield *items*; a bar on standard error shows how far that is, for a terminal and where there are many."""
    if len(items) < MANY or not is_terminal(sys.stderr):
        yield from items
        return
    from rich.console import Console  # noqa: PLC0415  # takes longer to load than most commands to run
    from rich.progress import Progress  # noqa: PLC0415  # as above

    # What is printed meanwhile goes above the bar, if both are on the same terminal.
    with Progress(console=Console(stderr=True), transient=True, redirect_stdout=is_terminal(sys.stdout)) as bar:
        yield from bar.track(items, description=what)
