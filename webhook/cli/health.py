"""podgate health."""

import http.client

import click

SECONDS = 3  # to answer in


@click.command()
@click.option("--plain-host", default="127.0.0.1", show_default=True, help="Address of the plain port.")
@click.option("--plain-port", default=8080, show_default=True, type=click.IntRange(1, 65535), help="The plain port.")
@click.option("--ready", is_flag=True, help="Ask whether it is ready, not only whether it is alive.")
def health(plain_host: str, plain_port: int, *, ready: bool) -> None:
    """Ask a podgate on this machine how it is: the exit code is 0 where it is well, 1 where it is not.

    \b
    For the health check of a container, which has no other client:
      podgate health
    What exactly is amiss:
      podgate health --ready
    """  # noqa: D301  # \b is click's mark for lines to leave as they are
    path = "/readyz" if ready else "/healthz"
    connection = http.client.HTTPConnection(plain_host, plain_port, timeout=SECONDS)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        text = answer.read().decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        msg = f"http://{plain_host}:{plain_port}{path}: {error or type(error).__name__}"
        raise click.ClickException(msg) from error
    finally:
        connection.close()
    click.echo(text.rstrip())
    if answer.status != http.client.OK:
        raise click.exceptions.Exit(1)
