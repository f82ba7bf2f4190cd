"""Where a server's or a worker's metrics are read: a port of its own, which is for the operator's network alone."""

import os
import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import psycopg
import structlog
import typer
from psycopg import sql

from merchantry.cli.failures import CommandRefused
from merchantry.services.health import FIGURES
from tenancy.logins import Logins
from tenancy.schemas import PLATFORM

SHARED = "PROMETHEUS_MULTIPROC_DIR"
"""Where processes of one server keep their figures; the library looks for it when it is first imported."""
SCRAPE_SECONDS = 5

MetricsPort = Annotated[
    int | None,
    typer.Option(min=0, max=65535, metavar="PORT", help="Prometheus metrics, at this port; 0 takes any that is free."),
]
MetricsHost = Annotated[
    str, typer.Option(metavar="HOST", help="Where metrics are read; whoever reaches it reads them.")
]

log = structlog.get_logger()


@contextmanager
def exposed(port: int | None, host: str, logins: Logins) -> Iterator[None]:
    """Answer ``/metrics`` while the block runs, where a port is given. Raises CommandRefused."""
    if port is None:
        yield
        return
    from prometheus_client import REGISTRY, CollectorRegistry, make_wsgi_app, multiprocess

    registry = REGISTRY
    if SHARED in os.environ:
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    of_mall = _OfMall(logins)
    registry.register(of_mall)
    try:
        server = make_server(host, port, make_wsgi_app(registry), handler_class=_Quiet)
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
