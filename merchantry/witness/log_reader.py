"""Reads a log over HTTP as its public files (C2SP tlog-tiles). Believes nothing: what it returns is to be checked."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

import httpx

from merchantry.domain.checkpoint import Checkpoint
from merchantry.domain.merkle import Run, proof
from merchantry.domain.note import MAX_NOTE_BYTES, Note
from merchantry.domain.tile import WIDTH, Tile, hash_in, split_hashes, tile_of

TIMEOUT_SECONDS: Final = 10.0
MAX_TILE_BYTES: Final = 32 * WIDTH
MOST_SAID: Final = 200


class LogUnreadable(Exception):
    """The log did not answer, or answered what no log answers."""


class LogReader:
    """One log at its address, such as ``https://mall.example/log``; several logs' readers may share a client."""

    def __init__(self, client: httpx.Client, url: str) -> None:
        self._client, self._url = client, url.rstrip("/")

    @property
    def url(self) -> str:
        """Where the log is."""
        return self._url

    def checkpoint(self) -> Note:
        """The newest head, unchecked. Raises LogUnreadable, and NoteError where it is no note."""
        note = self._note("checkpoint")
        if note is None:
            raise LogUnreadable(f"{self._url} has no checkpoint yet")
        return note

    def wanted(self) -> Note | None:
        """The head that the log wants cosigned now, unchecked; None where it takes no cosignatures.

        Raises LogUnreadable, NoteError.
        """
        return self._note("wanted")

    def hand_in(self, note: Note) -> str | None:
        """Give the log a head with our cosignature. Returns why it does not count it; None where it does.

        Raises LogUnreadable.
        """
        url = f"{self._url}/cosignatures"
        try:
            with self._client.stream("POST", url, content=str(note)) as answer:
                if answer.status_code == httpx.codes.OK:
                    return None
                if not answer.is_client_error:
                    raise LogUnreadable(f"{url} answers {answer.status_code}")
                said = next(answer.iter_bytes(MOST_SAID), b"").decode(errors="replace")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise LogUnreadable(f"{url}: {type(error).__name__}") from error
        return f"{answer.status_code} {said.strip()}"

    def proof(self, plan: Iterable[Run], size: int) -> list[bytes]:
        """The hashes of a plan over the tree of ``size`` leaves. Raises LogUnreadable."""
        plan = list(plan)
        nodes = {node for run in plan for node in run}
        tiles = {node: tile_of(node, size) for node in nodes}
        bodies = {tile: self._tile(tile) for tile in sorted(set(tiles.values()))}
        return proof(plan, lambda node: hash_in(tiles[node], bodies[tiles[node]], node))

    def _note(self, path: str) -> Note | None:
        body = self._get(path, MAX_NOTE_BYTES)
        try:
            return None if body is None else Note.parse(body.decode())
        except UnicodeDecodeError as error:
            raise LogUnreadable(f"{self._url}/{path} is no text") from error

    def _tile(self, tile: Tile) -> list[bytes]:
        body = self._get(tile.path, MAX_TILE_BYTES)
        if body is None and tile.width < WIDTH:  # a log may drop a partial tile once the full one is there
            body = self._get(replace(tile, width=WIDTH).path, MAX_TILE_BYTES)
        if body is None:
            raise LogUnreadable(f"{self._url} does not show {tile.path}")
        try:
            hashes = split_hashes(body)
        except ValueError as error:
            raise LogUnreadable(f"{tile.path}: {error}") from error
        if len(hashes) < tile.width:
            raise LogUnreadable(f"{tile.path} has {len(hashes)} hashes")
        return hashes[: tile.width]

    def _get(self, path: str, most_bytes: int) -> bytes | None:
        try:
            with self._client.stream("GET", f"{self._url}/{path}") as answer:
                if answer.status_code == httpx.codes.NOT_FOUND:
                    return None
                if answer.status_code != httpx.codes.OK:
                    raise LogUnreadable(f"{self._url}/{path} answers {answer.status_code}")
                body = bytearray()
                for chunk in answer.iter_bytes():
                    body += chunk
                    if len(body) > most_bytes:
                        raise LogUnreadable(f"{self._url}/{path} has more than {most_bytes} bytes")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise LogUnreadable(f"{self._url}/{path}: {type(error).__name__}") from error
        return bytes(body)


def by_origin(readers: Iterable[LogReader]) -> dict[str, LogReader]:
    """Readers by what their logs call themselves. Raises LogUnreadable, NoteError."""
    return {Checkpoint.parse(reader.checkpoint().text).origin: reader for reader in readers}


def new_client() -> httpx.Client:
    """A client that waits for nobody for long, and goes only where it is sent."""
    return httpx.Client(timeout=TIMEOUT_SECONDS)
