"""Figures of the database's side of a process: its pools, and what statements took and ended with."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from prometheus_client import Counter, Gauge, Histogram

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

Ended: TypeAlias = Callable[[BaseException | None], None]
"""Told that a statement has ended, and by which error."""
Watcher: TypeAlias = Callable[[str], Ended]
"""Told of each statement's text before it is sent; a merchant's schema has no name in it yet."""


def statements_of(pool: str) -> Watcher:
    """Counts what it is told of, under the pool's name."""
    seconds = STATEMENT_SECONDS.labels(pool)

    def begun(text: str) -> Ended:
        started = time.perf_counter()

        def ended(error: BaseException | None) -> None:
            if error is None:
                seconds.observe(time.perf_counter() - started)
            else:
                state = getattr(error, "sqlstate", None)
                STATEMENT_ERRORS.labels(pool, state[:2] if state else "none").inc()

        return ended

    return begun


def in_use(pool: str, size: int) -> Gauge:
    """Where to count the connections of a pool of this size that somebody has."""
    POOL_SIZE.labels(pool).inc(size)
    return POOL_IN_USE.labels(pool)


@contextmanager
def told(watchers: Iterable[Watcher], text: str) -> Iterator[None]:
    """Tell of a statement that the block sends."""
    ends = [begun(text) for begun in watchers]
    error: BaseException | None = None
    try:
        yield
    except BaseException as caught:
        error = caught
        raise
    finally:
        for ended in ends:
            ended(error)


@contextmanager
def waiting(pool: str) -> Iterator[None]:
    """Somebody waits for a connection while the block runs."""
    with POOL_WAITING.labels(pool).track_inprogress():
        yield
