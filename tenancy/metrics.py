"""Figures of the database's side of a process: its pools, and what statements took and ended with."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from prometheus_client import Counter, Gauge, Histogram
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

POOL_SIZE = Gauge("merchantry_pool_size", "Connections that a pool may have.", ["pool"], multiprocess_mode="livesum")
POOL_IN_USE = Gauge("merchantry_pool_in_use", "Connections in use.", ["pool"], multiprocess_mode="livesum")
POOL_WAITING = Gauge(
    "merchantry_pool_waiting", "Transactions that wait for a connection.", ["pool"], multiprocess_mode="livesum"
)
STATEMENT_SECONDS = Histogram(
    "merchantry_statement_seconds",
    "What statements took, as the program saw it.",
    ["pool"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 15),
)
STATEMENT_ERRORS = Counter(
    "merchantry_statement_errors_total", "Statements that failed, by the class of their SQLSTATE.", ["pool", "sqlstate"]
)
LISTENER_FRESH = Gauge(
    "merchantry_directory_fresh", "Processes that hear of changed rights at once.", multiprocess_mode="livesum"
)
TOKENS_REFUSED = Counter("merchantry_tokens_refused_total", "Bearer tokens that were not accepted.")

_STARTED = "merchantry_started"


def watch(engine: AsyncEngine, pool: str, size: int) -> None:
    """Count what an engine does, under its pool's name."""
    POOL_SIZE.labels(pool).inc(size)
    in_use, seconds = POOL_IN_USE.labels(pool), STATEMENT_SECONDS.labels(pool)
    sync = engine.sync_engine

    def begun(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        setattr(context, _STARTED, time.perf_counter())

    def ended(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        seconds.observe(time.perf_counter() - getattr(context, _STARTED))

    def failed(context: Any) -> None:
        state = getattr(context.original_exception, "sqlstate", None) or "none"
        STATEMENT_ERRORS.labels(pool, state[:2] if state != "none" else state).inc()

    event.listen(sync, "before_cursor_execute", begun)
    event.listen(sync, "after_cursor_execute", ended)
    event.listen(sync, "handle_error", failed)
    event.listen(sync.pool, "checkout", lambda *_: in_use.inc())
    event.listen(sync.pool, "checkin", lambda *_: in_use.dec())


@contextmanager
def waiting(pool: str) -> Iterator[None]:
    """Somebody waits for a connection while the block runs."""
    with POOL_WAITING.labels(pool).track_inprogress():
        yield
