"""Where a server's or a worker's metrics are read: a port of its own, for this machine or for who has the token."""

import hmac
import os
import shutil
import socket
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from typing import TYPE_CHECKING, Annotated, Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import psycopg
import structlog
import typer
from psycopg import sql

from merchantry.cli.failures import CommandRefused
from merchantry.services.health import FIGURES
from tenancy.logins import Logins
from tenancy.schemas import PLATFORM

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

SHARED = "PROMETHEUS_MULTIPROC_DIR"
"""Where processes of one server keep their figures; the library looks for it when it is first imported."""
SCRAPE_SECONDS = 5
MIN_TOKEN = 16
"""Characters of a token for metrics; fewer could be guessed."""

MetricsPort = Annotated[
    int | None,
    typer.Option(min=0, max=65535, metavar="PORT", help="Prometheus metrics, at this port; 0 takes any that is free."),
]
MetricsHost = Annotated[
    str, typer.Option(metavar="HOST", help="Where metrics are read; but on this machine alone, by token only.")
]
MetricsToken = Annotated[
    str | None,
    typer.Option(
        metavar="TOKEN",
        envvar="MERCHANTRY_METRICS_TOKEN",
        show_envvar=True,
        help=f"Who reads metrics sends it as a bearer token; {MIN_TOKEN} characters or more.",
    ),
]

log = structlog.get_logger()


@contextmanager
def exposed(port: int | None, host: str, token: str | None, logins: Logins) -> Iterator[None]:
    """Answer ``/metrics`` while the block runs, where a port is given. Raises CommandRefused.

    With a token only those who send it are answered; without one, only this machine's addresses can be listened on.
    """
    if port is None:
        yield
        return
    _check_secrecy(host, token)
    from prometheus_client import REGISTRY, CollectorRegistry, make_wsgi_app, multiprocess

    registry = REGISTRY
    if SHARED in os.environ:
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    of_mall = _OfMall(logins)
    registry.register(of_mall)
    try:
        app = _Guarded(make_wsgi_app(registry), token) if token else make_wsgi_app(registry)
        server = make_server(host, port, app, handler_class=_Quiet)
    except (OSError, socket.gaierror) as error:
        raise CommandRefused(f"{host}:{port} can't be used ({error}): choose another --metrics-port.") from error
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    typer.echo(f"Metrics at http://{host}:{server.server_port}/metrics", err=True)
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        registry.unregister(of_mall)


def _check_secrecy(host: str, token: str | None) -> None:
    if token is not None and (len(token) < MIN_TOKEN or not token.isascii() or not token.isprintable() or " " in token):
        raise CommandRefused(f"A token for metrics has {MIN_TOKEN} or more visible ASCII characters; make one up.")
    if token is None and not _is_this_machine(host):
        raise CommandRefused(f"Everybody could read metrics at {host}: set MERCHANTRY_METRICS_TOKEN.")


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class _Guarded:
    """Answers 401 to whoever does not send the token."""

    def __init__(self, app: "WSGIApplication", token: str) -> None:
        self._app = app
        self._expected = f"Bearer {token}".encode()

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        given = environ.get("HTTP_AUTHORIZATION", "").encode("latin-1", "replace")
        if not hmac.compare_digest(given, self._expected):
            start_response("401 Unauthorized", [("WWW-Authenticate", "Bearer"), ("Content-Length", "0")])
            return []
        return self._app(environ, start_response)


@contextmanager
def shared_between_processes() -> Iterator[None]:
    """A directory for the figures of processes that are started inside the block."""
    directory = tempfile.mkdtemp(prefix="merchantry-metrics-")
    os.environ[SHARED] = directory
    try:
        yield
    finally:
        del os.environ[SHARED]
        shutil.rmtree(directory, ignore_errors=True)


def forget_process(pid: int) -> None:
    """What a process that ended had in use counts no more."""
    from prometheus_client import multiprocess

    if SHARED in os.environ:
        multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]


class _OfMall:
    """What the database says, asked anew for each scrape; a database that is away is a figure too."""

    def __init__(self, logins: Logins) -> None:
        self._url = logins.listen

    def describe(self) -> list[Any]:
        """Nothing beforehand: registering must not ask the database."""
        return []

    def collect(self) -> Iterator[Any]:
        """The gauges."""
        from prometheus_client.core import GaugeMetricFamily

        rows = self._asked()
        yield GaugeMetricFamily("merchantry_database_up", "Whether the database answers.", value=float(bool(rows)))
        for figure in FIGURES if rows else ():
            gauge = GaugeMetricFamily(f"merchantry_{figure.name}", figure.text, labels=figure.labels)
            for labels, value in figure.values(rows[figure.statement]):
                gauge.add_metric(labels, value)
            yield gauge

    def _asked(self) -> dict[str, list[tuple[object, ...]]]:
        try:
            with psycopg.connect(self._url, connect_timeout=SCRAPE_SECONDS) as connection:
                connection.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(PLATFORM)))
                connection.execute("SET LOCAL statement_timeout = '5s'")
                statements = dict.fromkeys(figure.statement for figure in FIGURES)
                return {each: connection.execute(each.encode()).fetchall() for each in statements}
        except psycopg.Error as error:
            log.warning("metrics.database_not_asked", error=type(error).__name__)
            return {}


class _Quiet(WSGIRequestHandler):
    """Scrapes are not logged."""

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""
