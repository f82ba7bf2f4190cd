"""How long each request of the hostile corpus takes to be refused, over HTTP by a server of its own; and, in process,
what refusing its bombs of fragments takes of the processor.
"""

import asyncio
import time
from pathlib import Path
from statistics import median

import orjson

from benchmarks.installation import installed
from benchmarks.measuring import facts, ms, parse_options, show
from benchmarks.serving import serving
from graphql_api.schema import schema
from tests.hostile.corpus import KINDS, Hostile, corpus

RUNS = 5
BOMB_RUNS = 20


def main() -> None:
    """Measure and print."""
    options = parse_options()
    with installed(options) as installation, serving(installation, "mall", profile=options.profile) as socket:
        taken = asyncio.run(_measure(socket, 2 if options.quick else RUNS))
        rows = []
        for kind in KINDS:
            times = sorted(seconds for request, seconds in taken if request.kind == kind)
            slowest = max((each for each in taken if each[0].kind == kind), key=lambda each: each[1])
            rows.append((kind, str(len(times)), ms(median(times)), ms(times[-1]), slowest[0].name[:50]))
        show(
            f"Hostile requests: {len(taken)}, the best of {RUNS} times each",
            facts(installation.logins.owner, options),
            ("kind", "requests", "median", "slowest", "which"),
            rows,
            "Over HTTP on a Unix socket from uvicorn; sending the request and reading the answer are counted.",
        )
        bombs = [
            (request.name, str(len(request.body)), ms(_work(request))) for request in corpus() if _is_bomb(request)
        ]
        show(
            f"Bombs of fragments: what the server does to refuse them, the best of {BOMB_RUNS} times each",
            facts(installation.logins.owner, options),
            ("document", "bytes", "processor time"),
            bombs,
            "In process: parsed, its limits counted, validated where it is within them. Nothing is remembered.",
        )


def _is_bomb(request: Hostile) -> bool:
    return request.kind == "documents" and request.name.startswith("a bomb")


def _work(request: Hostile) -> float:
    """Processor seconds to refuse a document, from its text to its errors."""
    text = orjson.loads(request.body)["query"]
    taken = []
    for _ in range(BOMB_RUNS):
        schema.forget()
        started = time.process_time()
        errors = schema.prepare(text, suggesting=False).errors
        taken.append(time.process_time() - started)
        if not errors:
            raise RuntimeError(f"{request.name} is not refused")
    return min(taken)


async def _measure(socket: Path, runs: int) -> list[tuple[Hostile, float]]:
    taken = []
    for request in corpus():
        taken.append((request, min([await _seconds(socket, request) for _ in range(runs)])))
    return taken


async def _seconds(socket: Path, request: Hostile) -> float:
    reader, writer = await asyncio.open_unix_connection(str(socket))
    headers = dict(request.headers)
    headers.setdefault(b"host", b"mall.test")
    headers.setdefault(b"content-length", str(len(request.body)).encode())
    lines = b"".join(name + b": " + value + b"\r\n" for name, value in headers.items())
    started = time.perf_counter()
    try:
        writer.write(f"{request.method} {request.path} HTTP/1.1\r\n".encode() + lines + b"connection: close\r\n\r\n")
        writer.write(request.body)
        await reader.readline()
    except ConnectionError:
        pass  # refused and closed before all of it was sent
    finally:
        writer.close()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
