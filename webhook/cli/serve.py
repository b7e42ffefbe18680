"""podgate serve."""

import tempfile
from pathlib import Path
from typing import Any

import click
from msgspec import Struct

from webhook.cli.options import FILE, reports_option
from webhook.server.certificate import CertificateError, ServingCertificate, load_certificate, make_certificate
from webhook.server.logs import LogFormat, set_up_logging
from webhook.server.serve import AddressError, ServeSettings
from webhook.server.serve import serve as run_server
from webhook.server.worker import DenialLogSettings, WorkerSettings

DEFAULT_NAMES = ("localhost", "127.0.0.1", "::1")
MIB = 1024 * 1024


class Options(Struct, frozen=True, kw_only=True):
    """What was given on the command line."""

    policies: Path
    reports: Path
    reports_memory: int
    host: str
    port: int
    plain_host: str
    plain_port: int
    tls_cert: Path | None
    tls_key: Path | None
    self_signed: bool
    names: tuple[str, ...]
    cluster: str
    denial_log: Path | None
    denial_log_max_size: int
    denial_log_max_age: float
    denial_log_keep: int
    log_allowed: bool
    log_format: LogFormat
    log_level: str
    drain_seconds: float


@click.command()
@click.option(
    "--policies",
    type=FILE,
    required=True,
    envvar="PODGATE_POLICIES",
    show_envvar=True,
    help="Folder or file of policies; changes are followed.",
)
@reports_option
@click.option(
    "--reports-memory",
    default=256,
    show_default=True,
    type=click.IntRange(1),
    help="MiB of image reports to hold; the newest scans count.",
)
@click.option("--host", default="0.0.0.0", show_default=True, help="Address to serve reviews on.")  # noqa: S104  # a pod is reached by its own address
@click.option("--port", default=8443, show_default=True, type=click.IntRange(1, 65535), help="Port for reviews (TLS).")
@click.option("--plain-host", default="0.0.0.0", show_default=True, help="Address for health and metrics.")  # noqa: S104  # as above
@click.option(
    "--plain-port",
    default=8080,
    show_default=True,
    type=click.IntRange(1, 65535),
    help="Port for /healthz, /readyz and /metrics (no TLS).",
)
@click.option("--tls-cert", type=FILE, help="Certificate in PEM, its chain after it.")
@click.option("--tls-key", type=FILE, help="Its key in PEM.")
@click.option("--self-signed", is_flag=True, help="Make an authority and a certificate, and print the caBundle.")
@click.option(
    "--name",
    "names",
    multiple=True,
    default=DEFAULT_NAMES,
    show_default=True,
    help="DNS name or IP address in the certificate that --self-signed makes; repeatable.",
)
@click.option("--cluster", default="", help="Name of the cluster, for the denial log.")
@click.option("--denial-log", type=FILE, help="File for the denial log.  [default: standard output]")
@click.option(
    "--denial-log-max-size", default=100, show_default=True, help="MiB at which a new file is begun; 0: none."
)
@click.option("--denial-log-max-age", default=24.0, show_default=True, help="Hours after which one is begun; 0: none.")
@click.option(
    "--denial-log-keep", default=14, show_default=True, type=click.IntRange(0), help="Old files of it to keep."
)
@click.option("--log-allowed", is_flag=True, help="Put reviews that were allowed without any finding there, too.")
@click.option("--log-format", type=click.Choice(["text", "json"]), default="json", show_default=True, help="On stderr.")
@click.option(
    "--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info", show_default=True
)
@click.option(
    "--drain-seconds",
    default=5.0,
    show_default=True,
    type=click.FloatRange(0),
    help="How long to go on answering, not ready, after SIGTERM.",
)
def serve(**given: Any) -> None:
    """Answer admission reviews over TLS, on POST /validate.

    \b
    On this machine, without a cluster:
      podgate serve --policies policies/ --self-signed
    In a pod, with a certificate from a Secret:
      podgate serve --policies /policies --tls-cert /tls/tls.crt --tls-key /tls/tls.key
    """  # noqa: D301  # \b is click's mark for lines to leave as they are
    options = Options(**given)
    set_up_logging(options.log_format, options.log_level)
    with tempfile.TemporaryDirectory(prefix="podgate-") as folder:
        try:
            certificate = _certificate(options, Path(folder))
        except CertificateError as error:
            raise click.ClickException(str(error)) from error
        worker = WorkerSettings(
            host=options.host,
            port=options.port,
            policies=options.policies,
            reports=options.reports,
            reports_bytes=options.reports_memory * MIB,
            cluster=options.cluster,
            plain_host=options.plain_host,
            plain_port=options.plain_port,
            denials=_denial_log(options),
            certificate=certificate,
        )
        try:
            run_server(ServeSettings(options.drain_seconds, worker))
        except AddressError as error:
            raise click.ClickException(str(error)) from error


def _denial_log(options: Options) -> DenialLogSettings:
    return DenialLogSettings(
        path=options.denial_log,
        max_bytes=options.denial_log_max_size * MIB,
        max_age=options.denial_log_max_age * 3600,
        keep=options.denial_log_keep,
        log_allowed=options.log_allowed,
    )


def _certificate(options: Options, folder: Path) -> ServingCertificate:
    """Return the certificate of the files, or make one in *folder*."""
    if options.self_signed and (options.tls_cert or options.tls_key):
        msg = "--self-signed makes a certificate: leave out --tls-cert and --tls-key"
        raise click.UsageError(msg)
    if options.self_signed:
        made = make_certificate(options.names)
        click.echo(f"caBundle: {made.ca_bundle}", err=True)
        return load_certificate(*made.write(folder))
    if options.tls_cert is None or options.tls_key is None:
        msg = "a certificate is needed: give --tls-cert and --tls-key, or --self-signed"
        raise click.UsageError(msg)
    return load_certificate(options.tls_cert, options.tls_key)
