"""The command line: what it offers, and what it says where it is used wrongly."""

import re
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner, Result

from webhook import __version__
from webhook.cli import main

COMMANDS = [(), *((name,) for name in main.commands)]


def run(*words: str) -> Result:
    return CliRunner().invoke(main, words, prog_name="podgate", terminal_width=100)


def options(command: click.Command) -> list[str]:
    """Return every spelling of every option of *command*."""
    return [word for parameter in command.get_params(click.Context(command)) for word in parameter.opts]


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: " ".join(("podgate", *words)))
@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_lists_every_option_with_what_it_is_for(words: tuple[str, ...], flag: str) -> None:
    command = main.commands[words[0]] if words else main

    result = run(*words, flag)

    assert result.exit_code == 0
    listed = re.findall(r"^  (?:-\w, )?(--[\w-]+)", result.output, re.MULTILINE)
    assert sorted(listed) == sorted(word for word in options(command) if word.startswith("--"))


@pytest.mark.parametrize("name", main.commands)
def test_podgate_lists_its_commands(name: str) -> None:
    assert re.search(rf"^  {name}  +\w", run("--help").output, re.MULTILINE)


def test_options_that_must_be_given_say_so_and_how_else() -> None:
    text = " ".join(run("serve", "--help").output.split())

    assert re.search(r"--policies PATH [^\[]*\[env var: PODGATE_POLICIES; required\]", text)


def test_serve_takes_its_policies_from_the_environment() -> None:
    result = CliRunner(env={"PODGATE_POLICIES": "x"}).invoke(main, ["serve"], prog_name="podgate")

    assert "a certificate is needed" in result.stderr


def every_command(command: click.Command) -> Iterator[click.Command]:
    """Yield *command*, and those in it where it is a group."""
    yield command
    for each in command.commands.values() if isinstance(command, click.Group) else ():
        yield from every_command(each)


def test_output_has_one_short_form_everywhere() -> None:
    spellings = [
        parameter.opts for each in every_command(main) for parameter in each.params if "--output" in parameter.opts
    ]

    assert len(spellings) > 4
    assert all(spelling == ["--output", "-o"] for spelling in spellings)


@pytest.mark.parametrize("option", ["--port", "--plain-port", "--drain-seconds", "--denial-log-keep", "--log-format"])
def test_options_say_their_defaults(option: str) -> None:
    text = " ".join(run("serve", "--help").output.split())

    assert re.search(rf"{option} [^\[]*(\[[^\]]*\|[^\]]*\] )?[^\[]*\[default: ", text)


def test_the_module_is_the_command() -> None:
    command = [sys.executable, "-m", "webhook", "--version"]

    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (0, f"podgate, version {__version__}\n", "")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param(("server",), "No such command 'server'", id="a command that is not there"),
        pytest.param(("serve",), "Missing option '--policies' (env var: 'PODGATE_POLICIES')", id="no policies"),
        pytest.param(("serve", "--policies=x", "--polices=y"), "No such option", id="a misspelt option"),
        pytest.param(("serve", "--policies=x", "--port=0"), "Invalid value for '--port'", id="port 0"),
        pytest.param(("serve", "--policies=x", "--plain-port=65536"), "for '--plain-port'", id="a port too high"),
        pytest.param(("serve", "--policies=x", "--drain-seconds=-1"), "for '--drain-seconds'", id="a negative time"),
        pytest.param(("serve", "--policies=x", "--denial-log-keep=-1"), "for '--denial-log-keep'", id="keep -1 files"),
        pytest.param(("serve", "--policies=x", "--log-format=xml"), "for '--log-format'", id="a format of no kind"),
        pytest.param(
            ("serve", "--policies=x"),
            "a certificate is needed: give --tls-cert and --tls-key, or --self-signed",
            id="no certificate",
        ),
        pytest.param(
            ("serve", "--policies=x", "--tls-cert=x.crt"),
            "a certificate is needed: give --tls-cert and --tls-key, or --self-signed",
            id="no key",
        ),
        pytest.param(
            ("serve", "--policies=x", "--self-signed", "--tls-key=x.key"),
            "--self-signed makes a certificate: leave out --tls-cert and --tls-key",
            id="two certificates",
        ),
    ],
)
def test_wrong_usage_is_said_and_is_exit_code_2(words: tuple[str, ...], message: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "webhook", *words], capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.startswith("Usage: ")
    assert "Traceback" not in done.stderr
