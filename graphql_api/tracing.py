"""OpenTelemetry traces, where the environment names a receiver: a request, its root fields, their statements.

Spans hold the statements' texts, and neither parameters nor documents nor variables nor headers. Where nothing is
configured nothing of this is imported, and no request passes through it.
"""

import os
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from graphql import GraphQLObjectType
from graphql.pyutils import Path, is_awaitable
from starlette.applications import Starlette
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from graphql_api.engine import MarketSchema
from tenancy.database import Database
from tenancy.metrics import Ended, Watcher

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
MAX_STATEMENT_LENGTH = 2_000


def is_configured() -> bool:
    """Whether a receiver of traces is named."""
    return bool(os.environ.get(ENDPOINT))


@asynccontextmanager
async def traced(app: Starlette, database: Database, schema: MarketSchema) -> AsyncIterator[None]:
    """Trace what the application does while the block runs; what is not sent yet is sent at its end.

    Raises ImportError where the extra ``merchantry[otel]`` is not installed.
    """
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    name = os.environ.get("OTEL_SERVICE_NAME", "merchantry")
    provider = TracerProvider(resource=Resource.create({"service.name": name}), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    tracer = provider.get_tracer("merchantry")
    executor, stack = schema.execution_context_class, app.middleware_stack
    schema.execution_context_class = _traced_fields(executor, tracer)
    traced = _traced_statements(tracer)
    pools = (database.pool, database.analyst, database.pages)
    for pool in pools:
        pool.watchers.append(traced)
    app.middleware_stack = TracedRequests(stack or app.build_middleware_stack(), tracer)
    try:
        yield
    finally:
        for pool in pools:
            pool.watchers.remove(traced)
        schema.execution_context_class, app.middleware_stack = executor, stack
        provider.shutdown()


class TracedRequests:
    """A span for each request below `/graphql` and elsewhere, a child of what `traceparent` names."""

    def __init__(self, app: ASGIApp, tracer: "Tracer") -> None:
        self._app = app
        self._tracer = tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on inside a span."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        from opentelemetry.propagate import extract
        from opentelemetry.trace import SpanKind

        method = scope.get("method", "WEBSOCKET")
        carrier = {
            key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"] if key[:5] == b"trace"
        }
        with self._tracer.start_as_current_span(
            f"{method} {_place(scope['path'])}",
            extract(carrier),
            SpanKind.SERVER,
            {"http.request.method": method},
            record_exception=False,
        ) as span:

            async def noting(message: Message) -> None:
                if message["type"] == "http.response.start":
                    span.set_attribute("http.response.status_code", message["status"])
                await send(message)

            await self._app(scope, receive, noting)


def _place(path: str) -> str:
    """The first step of a path; the rest may name somebody."""
    return "/" + path.lstrip("/").partition("/")[0][:40]


def _traced_fields(executor: Any, tracer: "Tracer") -> Any:
    from opentelemetry import trace

    class TracedFields(executor):  # type: ignore[misc]
        """A span for each root field."""

        def execute_field(
            self, parent_type: GraphQLObjectType, source: Any, details: Any, path: Path, *more: Any, **named: Any
        ) -> Any:
            """As graphql-core's."""
            if path.prev is not None:
                return super().execute_field(parent_type, source, details, path, *more, **named)
            span = tracer.start_span(f"{parent_type.name}.{details[0].node.name.value}")
            with trace.use_span(span, record_exception=False):
                result = super().execute_field(parent_type, source, details, path, *more, **named)
            if not is_awaitable(result):
                span.end()
                return result
            return awaited(result, span)

    async def awaited(result: Awaitable[Any], span: Any) -> Any:
        with trace.use_span(span, end_on_exit=True, record_exception=False):
            return await result

    return TracedFields


def _traced_statements(tracer: "Tracer") -> Watcher:
    """A span for each statement."""

    def begun(statement: str) -> Ended:
        text = statement[:MAX_STATEMENT_LENGTH]
        attributes = {"db.system.name": "postgresql", "db.query.text": text}
        span = tracer.start_span(text.split(None, 1)[0].strip(";").upper(), attributes=attributes)

        def ended(error: BaseException | None) -> None:
            if error is not None:
                span.set_attribute("db.response.status_code", getattr(error, "sqlstate", None) or "")
            span.end()

        return ended

    return begun
