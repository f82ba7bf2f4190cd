"""Traces as a receiver of OTLP over HTTP gets them."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from graphql_api import tracing
from graphql_api.schema import schema
from tenancy.database import Database
from tests.builders import a_merchant
from tests.graphql_api.mall import open_mall

pytest.importorskip("opentelemetry.sdk")


@pytest.fixture
def received(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """What a receiver on this machine is sent."""
    bodies: list[bytes] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Receiver) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv(tracing.ENDPOINT, f"http://127.0.0.1:{server.server_port}")
        yield bodies
        server.shutdown()
        thread.join()


def spans_in(bodies: list[bytes]) -> dict[bytes, Any]:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    found: dict[bytes, Any] = {}
    for body in bodies:
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            for scope in resource.scope_spans:
                found |= {span.span_id: span for span in scope.spans}
    return found


async def test_a_request_its_root_fields_and_their_statements_are_one_trace(
    database: Database, tmp_path: Path, received: list[bytes]
) -> None:
    async with open_mall(database, tmp_path) as mall:
        await a_merchant(database, "kites")
        document = "query Secretive($s: String!) { shop(slug: $s) { name } categories { code } }"
        headers = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
        document = document.replace("{ name }", "{ __typename }")
        (await mall.ask(document, {"s": "kites"}, headers=headers)).data  # noqa: B018
    spans = spans_in(received)
    by_name = {span.name: span for span in spans.values()}
    request = by_name["POST /graphql"]
    assert request.trace_id.hex() == "0af7651916cd43dd8448eb211c80319c"
    for name in ("Query.shop", "Query.categories"):
        assert by_name[name].parent_span_id == request.span_id
    statements = [span for span in spans.values() if span.name == "SELECT" and span.trace_id == request.trace_id]
    assert {spans[span.parent_span_id].name for span in statements} == {"Query.shop", "Query.categories"}
    assert b"kites" not in b"".join(received)
    assert b"Secretive" not in b"".join(received)


async def test_without_a_receiver_nothing_is_traced(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(tracing.ENDPOINT, raising=False)
    before = schema.execution_context_class
    async with open_mall(database, tmp_path) as mall:
        assert schema.execution_context_class is before
        assert (await mall.ask("{ categories { code } }")).data == {"categories": []}
