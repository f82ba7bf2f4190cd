"""Figures of the door. No label holds what a client can make up: neither operation names nor paths nor merchants."""

from graphql import OperationType
from prometheus_client import Counter, Gauge, Histogram
from strawberry.types import ExecutionResult

from graphql_api.asking import RequestRefused

REQUESTS = Counter("merchantry_http_requests_total", "HTTP requests, by the status of their answers.", ["status"])
OPERATIONS = Counter(
    "merchantry_operations_total",
    "GraphQL operations that were run, over whatever transport: ok, or with errors.",
    ["operation", "outcome"],
)
OPERATION_SECONDS = Histogram(
    "merchantry_operation_seconds",
    "What operations took, without their waiting for a place.",
    ["operation"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20),
)
OPERATION_COST = Histogram(
    "merchantry_operation_cost",
    "What operations were charged.",
    ["operation"],
    buckets=(10, 100, 500, 1000, 5000, 25_000),
)
REFUSALS = Counter("merchantry_refusals_total", "Requests that were refused without running anything.", ["code"])
FAULTS = Counter("merchantry_faults_total", "Errors that nobody expected; each is in the log under its id.")
RUNNING = Gauge("merchantry_operations_running", "Operations that run.", multiprocess_mode="livesum")
WAITING = Gauge("merchantry_operations_waiting", "Operations that wait for a place.", multiprocess_mode="livesum")
STREAMS = Gauge("merchantry_streams", "Subscriptions that are open.", multiprocess_mode="livesum")


def refused(refusal: RequestRefused) -> RequestRefused:
    """Count what is refused, by its code; returns it, to be raised."""
    code = refusal.errors[0].get("extensions", {}).get("code", "GRAPHQL_INVALID")
    REFUSALS.labels(code).inc()
    return refusal


_KINDS = {
    kind: (
        OPERATION_COST.labels(kind.value),
        OPERATION_SECONDS.labels(kind.value),
        OPERATIONS.labels(kind.value, "ok"),
        OPERATIONS.labels(kind.value, "errors"),
    )
    for kind in OperationType
}


def operation_ended(kind: OperationType, cost: int, seconds: float, result: ExecutionResult | None) -> None:
    """Count an operation that was run; no result is that of one that was called off."""
    costs, durations, well, badly = _KINDS[kind]
    costs.observe(cost)
    durations.observe(seconds)
    if result is not None:
        (badly if result.errors else well).inc()
