"""The witness's HTTP.

| | |
|---|---|
| `POST /add-checkpoint` | C2SP tlog-witness |
| `GET /checkpoint?origin=…` | the last head that it cosigned, with its cosignature; 404 where it has none |
| `GET /checkpoints?origin=…` | JSON: its key, and the newest heads that it cosigned; all logs without `origin` |
| `GET /evidence` | JSON: what it has against logs |
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from merchantry.domain.add_checkpoint import MAX_BODY_BYTES
from merchantry.witness.store import Reading
from merchantry.witness.witness import Witness

HEADS_FORMAT: Final = "merchantry-witness-heads/v1"
HEADS_SHOWN: Final = 100

Lifespan = Callable[[Starlette], AbstractAsyncContextManager[None]]


def build_app(witness: Witness, lifespan: Lifespan | None = None) -> Starlette:
    """The application, over a witness."""

    async def add_checkpoint(request: Request) -> Response:
        body = await _body(request)
        if body is None:
            return PlainTextResponse(f"A request has at most {MAX_BODY_BYTES} bytes\n", 413)
        answer = await run_in_threadpool(witness.add_checkpoint, body)
        return Response(answer.text, answer.status, {"content-type": answer.media_type})

    async def checkpoint(request: Request) -> Response:
        note = await run_in_threadpool(_last_note, witness, request.query_params.get("origin", ""))
        return PlainTextResponse("Nothing was cosigned\n", 404) if note is None else PlainTextResponse(note)

    async def checkpoints(request: Request) -> Response:
        return JSONResponse(await run_in_threadpool(heads_document, witness, request.query_params.get("origin")))

    async def evidence(request: Request) -> Response:
        return JSONResponse(await run_in_threadpool(evidence_document, witness))

    return Starlette(
        routes=[
            Route("/add-checkpoint", add_checkpoint, methods=["POST"]),
            Route("/checkpoint", checkpoint),
            Route("/checkpoints", checkpoints),
            Route("/evidence", evidence),
        ],
        lifespan=lifespan or _nothing_beside,
    )


@asynccontextmanager
async def _nothing_beside(app: Starlette) -> AsyncIterator[None]:
    yield


async def _body(request: Request) -> bytes | None:
    """The body; None where it is too large, of which no more is read."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            return None
    return bytes(body)


def _last_note(witness: Witness, origin: str) -> str | None:
    with witness.store.reading() as store:
        latest = store.latest(origin)
    return None if latest is None else str(latest.note)


def heads_document(witness: Witness, origin: str | None = None) -> dict[str, Any]:
    """What witnesses exchange: the newest heads that this one cosigned, of one log or of all that it trusts."""
    with witness.store.reading() as store:
        origins = [origin] if origin is not None else _origins(store)
        notes = [str(head.note) for each in origins for head in store.heads(each, HEADS_SHOWN)]
    return {"format": HEADS_FORMAT, "witness": str(witness.verifier), "checkpoints": notes}


def evidence_document(witness: Witness) -> list[dict[str, Any]]:
    """All evidence, with where and when each was found."""
    with witness.store.reading() as store:
        found = store.evidence()
    return [
        {"id": each.id, "source": each.source, "found_at": each.found_at.isoformat(), **each.evidence.document()}
        for each in found
    ]


def _origins(store: Reading) -> list[str]:
    return sorted({key.name for key in store.trusted()})
