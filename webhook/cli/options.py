"""Options that several commands share."""

import os
from datetime import datetime
from pathlib import Path
from typing import Any

import click
import msgspec


class Time(click.ParamType):  # type: ignore[type-arg]  # generic in newer releases of click only
    """A time in RFC 3339, with its zone."""

    name = "RFC3339"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return the time that *value* says, or fail."""
        try:
            time = msgspec.convert(value, datetime)
        except msgspec.ValidationError:
            self.fail(f"{value!r} is no time such as 2026-11-24T12:00:00Z", param, ctx)
        if time.tzinfo is None:
            self.fail(f"{value!r} has no time zone: end it with Z or an offset", param, ctx)
        return time


FILE = click.Path(path_type=Path)
TIME = Time()


def default_reports() -> Path:
    """Return where reports are kept where nothing else is said: in the user's data folder, as XDG has it."""
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share") / "podgate/reports.db"


def is_missing(reports: Path) -> bool:
    """Whether somebody named a store that is not there; where nobody named one, nobody has imported anything yet."""
    return not reports.exists() and reports != default_reports()


reports_option = click.option(
    "--reports",
    type=FILE,
    envvar="PODGATE_REPORTS",
    show_envvar=True,
    default=default_reports,
    show_default="podgate/reports.db in the user's data folder",
    help="The store of image reports, a file.",
)
